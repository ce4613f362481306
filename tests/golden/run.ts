/**
 * `deno task golden DIR [--executor NAME] [--device NAME]`: compares Stride with Keras's own numbers.
 *
 * DIR is laid out like `goldens/training` (one run a file) or `goldens/tables` (losses, metrics, callback traces). Prints
 * a line a case with its largest error, then `N passed, N failed`. Executor `webgpu-staged` is `webgpu` with the kernels of a
 * GPU: see `tests/executors/webgpu_staged.ts`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { staged } from "../executors/webgpu_staged.ts";
import { type CaseResult, failed } from "./compare.ts";
import { lossTable } from "./loss_table.ts";
import { metricTable } from "./metric_table.ts";
import { runTraceCase, type TraceEntry } from "./trace_case.ts";
import { runTrainingCase, type RunWith, type TrainingCase } from "./training_case.ts";

/** The cases of one file, run one after the other. */
export async function* runFile(path: string, runWith: RunWith): AsyncGenerator<CaseResult> {
  let content: unknown;
  try {
    content = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    yield failed(path, cause);
    return;
  }
  const attempt = async (name: string, run: () => Promise<CaseResult>): Promise<CaseResult> => {
    try {
      return await run();
    } catch (cause) {
      return failed(name, cause);
    }
  };
  if (Array.isArray(content) && content.length > 0 && "loss" in content[0]) yield* lossTable(content);
  else if (Array.isArray(content) && content.length > 0 && "metric" in content[0]) yield* metricTable(content);
  else if (isTraining(content)) yield await attempt(content.name, () => runTrainingCase(content, runWith));
  else if (typeof content === "object" && content !== null && Object.values(content).every(Array.isArray)) {
    for (const [name, trace] of Object.entries(content as Record<string, TraceEntry[]>)) {
      yield await attempt(name, () => runTraceCase(name, trace, runWith));
    }
  } else yield failed(path, new TypeError("it is neither a training run, a table of losses or metrics, nor traces"));
}

function isTraining(content: unknown): content is TrainingCase {
  return typeof content === "object" && content !== null && "model" in content && "expected" in content;
}

/** Runs every file of a folder. @returns How many cases passed and failed. */
export async function runFolder(
  folder: string,
  runWith: RunWith,
  report: (result: CaseResult) => void,
): Promise<{ passed: number; failed: number }> {
  const files = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".json")).map(({ name }) => name)
    .sort();
  const counts = { passed: 0, failed: 0 };
  for (const file of files) {
    for await (const result of runFile(`${folder}/${file}`, runWith)) {
      counts[result.ok ? "passed" : "failed"]++;
      report(result);
    }
  }
  return counts;
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: ["executor", "device"],
    default: { executor: "eager", device: "cpu" },
    unknown: (argument, key) => {
      if (key === undefined) return true;
      console.error(`Unknown option ${argument}. Usage: deno task golden DIR [--executor NAME] [--device NAME]`);
      Deno.exit(2);
    },
  });
  const folder = args._[0];
  if (folder === undefined) {
    console.error("Usage: deno task golden DIR [--executor NAME] [--device NAME]");
    Deno.exit(2);
  }
  const executor = args.executor === "webgpu-staged" ? staged() : args.executor;
  const counts = await runFolder(String(folder), { executor, device: args.device }, (result) => {
    const detail = result.ok ? result.note && ` (${result.note})` : `\n       ${result.message}`;
    console.log(
      `${result.ok ? "ok    " : "FAILED"} ${result.name}  max error ${result.maxError.toExponential(2)}${detail ?? ""}`,
    );
  });
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  // tfjs's WebGPU backend keeps the process alive; a count of nothing is no success.
  Deno.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
}
