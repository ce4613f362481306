import { assertEquals } from "@std/assert";

/** Relative import specifiers of every module, types included, resolved to paths from the repository's root. */
function imports(): Map<string, string[]> {
  const root = new URL("../", import.meta.url);
  const found = new Map<string, string[]>();
  const visit = (folder: string): void => {
    for (const entry of Deno.readDirSync(new URL(folder, root))) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory) visit(`${path}/`);
      else if (path.endsWith(".ts")) found.set(path, specifiers(path, root));
    }
  };
  for (const folder of ["core/", "strategies/", "callbacks/", "plugins/"]) visit(folder);
  found.set("mod.ts", specifiers("mod.ts", root));
  return found;
}

function specifiers(path: string, root: URL): string[] {
  const source = Deno.readTextFileSync(new URL(path, root)).replaceAll(/\/\*[\s\S]*?\*\//g, "");
  const matches = source.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)"([^"]+)"/g);
  return [...matches].map(([, specifier]) =>
    specifier!.startsWith(".") ? new URL(specifier!, new URL(path, root)).href.slice(root.href.length) : specifier!
  );
}

/** The part of the project that a module belongs to: `core`, `strategies`, `callbacks`, `plugins/losses`. */
function part(path: string): string {
  const segments = path.split("/");
  return segments[0] === "plugins" ? segments.slice(0, 2).join("/") : segments[0]!;
}

Deno.test("core imports nothing but core and tfjs", () => {
  const outside = [...imports()].filter(([path]) => part(path) === "core").flatMap(([path, targets]) =>
    targets.filter((target) => part(target) !== "core" && target !== "@tensorflow/tfjs").map((target) =>
      `${path} → ${target}`
    )
  );
  assertEquals(outside, []);
});

Deno.test("plugins, strategies and callbacks import core and themselves; executors also the compiler", () => {
  const outside = [...imports()]
    .filter(([path]) => part(path) !== "core" && path !== "mod.ts")
    .flatMap(([path, targets]) =>
      targets
        .filter((target) => target.endsWith(".ts"))
        .filter((target) => ![part(path), "core"].includes(part(target)))
        .filter((target) => !(part(path) === "plugins/executors" && part(target) === "plugins/compiler"))
        .map((target) => `${path} → ${target}`)
    );
  assertEquals(outside, []);
});

Deno.test("only core/tf.ts imports tfjs", () => {
  const direct = [...imports()].filter(([path, targets]) =>
    path !== "core/tf.ts" && targets.includes("@tensorflow/tfjs")
  );
  assertEquals(direct.map(([path]) => path), []);
});

Deno.test("there are no import cycles, types included", () => {
  const graph = imports();
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
      return;
    }
    if (done.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  assertEquals(cycles, []);
});
