// The default export: prom-client is CommonJS in a form whose names Deno does not find.
import prometheus from "prom-client";
import type { Observe } from "./dispatch.ts";
import type { ErrorLog } from "./errors.ts";

/** Long polls last up to a minute, other calls milliseconds. */
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Callers choose the names of methods that do not exist; as label values they would grow without bound. */
const NO_METHOD = "none";

/** A gauge whose values are asked for when somebody reads the metrics. */
export interface LazyGauge<Label extends string> {
  name: string;
  help: string;
  labelNames: readonly Label[];
  /** If it rejects, the reading leaves this gauge out, and the log says so. */
  collect(): Promise<readonly { labels: Record<Label, string>; value: number }[]>;
}

export interface Metrics {
  observe: Observe;
  /** Counts somebody who was not let in. */
  turnedAway(reason: string): void;
  addGauge<Label extends string>(gauge: LazyGauge<Label>): void;
  /** What /metrics answers, in Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** The service's metrics, in a registry of their own: two services in one process (as in tests) do not share numbers. */
export function createMetrics(log: ErrorLog): Metrics {
  const registry = new prometheus.Registry();
  prometheus.collectDefaultMetrics({ register: registry });
  const turnedAway = new prometheus.Counter({
    name: "opensqs_turned_away_total",
    help: "Requests without a good credential: none, a wrong one, or from an address that showed too many wrong ones.",
    labelNames: ["reason"],
    registers: [registry],
  });
  return {
    turnedAway: (reason) => turnedAway.inc({ reason }),
    observe: createObserver(registry),
    addGauge: (gauge) => addGauge(registry, gauge, log),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function createObserver(registry: prometheus.Registry): Observe {
  const registers = [registry];
  const calls = new prometheus.Counter({
    name: "opensqs_rpc_calls_total",
    help: "JSON-RPC calls answered, notifications included, by method and outcome (ok, or the error's type).",
    labelNames: ["method", "outcome"],
    registers,
  });
  const seconds = new prometheus.Histogram({
    name: "opensqs_rpc_seconds",
    help: "How long JSON-RPC calls took, waiting for tasks included.",
    labelNames: ["method"],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const running = new prometheus.Gauge({
    name: "opensqs_rpc_in_flight",
    help: "JSON-RPC calls being answered now, waiting claims included.",
    registers,
  });
  return (name) => {
    const method = name ?? NO_METHOD;
    const began = performance.now();
    running.inc();
    return (outcome) => {
      running.dec();
      calls.inc({ method, outcome });
      seconds.observe({ method }, (performance.now() - began) / 1000);
    };
  };
}

function addGauge<Label extends string>(registry: prometheus.Registry, gauge: LazyGauge<Label>, log: ErrorLog): void {
  const { name, help, labelNames } = gauge;
  const registered: prometheus.Gauge<Label> = new prometheus.Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    async collect() {
      try {
        const values = await gauge.collect();
        registered.reset();
        for (const { labels, value } of values) registered.set(labels, value);
      } catch (error) {
        registered.reset();
        log.error("A gauge could not be read.", { gauge: name, error });
      }
    },
  });
}
