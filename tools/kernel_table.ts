/**
 * Writes docs/kernels.md: which of tfjs's kernels compiled executors run, and why the others not.
 *
 * `deno run --allow-read --allow-write tools/kernel_table.ts [--check]`; with `--check` it only says whether the page is
 * up to date.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { REFUSED_KERNELS, SHAPE_RULES } from "../plugins/compiler/mod.ts";
import { arrayRules } from "../plugins/compiler/lower/arrays.ts";
import { convolutionRules } from "../plugins/compiler/lower/convolutions.ts";
import { depthwiseRules } from "../plugins/compiler/lower/depthwise.ts";
import { elementwiseRules } from "../plugins/compiler/lower/elementwise.ts";
import { imageRules } from "../plugins/compiler/lower/images.ts";
import { normalizationRules } from "../plugins/compiler/lower/normalization.ts";
import { poolingRules } from "../plugins/compiler/lower/pooling.ts";
import { productRules } from "../plugins/compiler/lower/products.ts";
import { reductionRules } from "../plugins/compiler/lower/reductions.ts";
import { scanRules } from "../plugins/compiler/lower/scans.ts";
import { scatterRules } from "../plugins/compiler/lower/scatter.ts";
import { RULES } from "../plugins/compiler/lower/table.ts";

const GROUPS = {
  "Element by element": elementwiseRules,
  "Reductions": reductionRules,
  "Matrix products": productRules,
  "Convolutions": { ...convolutionRules, ...depthwiseRules },
  "Pooling and normalization": { ...poolingRules, ...normalizationRules },
  "Images": imageRules,
  "Making, moving, joining and looking up": arrayRules,
  "Scattering": scatterRules,
  "Scans, sorting and drawing": scanRules,
};

const COMPLEX =
  "Complex numbers are not compiled; `realFft` of `@stride/stride/core` gives a spectrum as two real tensors";

/** The page, as it should be. */
export function kernelPage(): string {
  const name = (kernel: string) => `\`${kernel}\``;
  const groups = Object.entries(GROUPS).map(([title, rules]) =>
    `| ${title} | ${Object.keys(rules).sort().map(name).join(", ")} |`
  );
  const traced = Object.keys(SHAPE_RULES).filter((kernel) => !(kernel in RULES)).sort()
    .map((kernel) => `| ${name(kernel)} | ${COMPLEX} |`);
  const refused = Object.entries(REFUSED_KERNELS).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([kernel, { reason, advice }]) => `| ${name(kernel)} | ${capital(reason)}. ${advice} |`);
  return [
    "# Kernels that are compiled",
    "",
    "A compiled step is made of tfjs's own kernels: what layers, losses, gradients and optimizers call. This page is written",
    "by `tools/kernel_table.ts` from the compiler's rules; a test keeps it current.",
    "",
    `## Compiled: ${Object.keys(RULES).length}`,
    "",
    "| Group | Kernels |",
    "| --- | --- |",
    ...groups,
    "",
    "`Sin`, `Cos` and `Tan` of large angles: executor `webgpu` takes whole circles off exactly, whatever the angle; `wasm` up",
    "to 1e9, and beyond it the answer is bounded but not the sine of the angle.",
    "",
    `## Refused, by name: ${traced.length + refused.length}`,
    "",
    'The error names the operation and the line that called it. `executor: "eager"` runs all that tfjs has a kernel for.',
    "",
    "| Kernel | Why, and what to do |",
    "| --- | --- |",
    ...traced,
    ...refused,
    "",
  ].join("\n");
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}

/** Where the page lies. */
export const KERNEL_PAGE: URL = new URL("../docs/kernels.md", import.meta.url);

if (import.meta.main) {
  const { check } = parseArgs(Deno.args, { boolean: ["check"] });
  if (!check) await Deno.writeTextFile(KERNEL_PAGE, kernelPage());
  else if (await Deno.readTextFile(KERNEL_PAGE) !== kernelPage()) {
    console.error("docs/kernels.md is out of date: run `deno run --allow-read --allow-write tools/kernel_table.ts`.");
    Deno.exit(1);
  }
}
