/**
 * `deno doc --lint` over every export of the package, less what it says of tfjs's own declarations: re-exporting `tf` makes
 * it look into them. Exits with 1 where something of this project's own is undocumented.
 *
 * @module
 */
const root = new URL("../", import.meta.url);
const { exports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
const { stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["doc", "--lint", ...Object.values(exports as Record<string, string>)],
  cwd: root,
  env: { NO_COLOR: "1" },
  stdout: "null",
}).output();
const diagnostics = new TextDecoder().decode(stderr).split(/(?=^error\[)/m).filter((text) => text.startsWith("error["));
const own = diagnostics.filter((text) => text.includes(root.pathname) && !/-->.*\/(npm|node_modules)\//.test(text));
// The namespace itself is documented where it is made; the lint looks for it at the import.
const real = own.filter((text) => !/-->.*core\/tf\.ts/.test(text));
console.log(real.map((text) => text.split("\n").slice(0, 2).join("\n")).join("\n"));
console.log(`deno doc --lint: ${real.length} of the project's own, ${diagnostics.length - real.length} of tfjs's`);
Deno.exit(real.length === 0 ? 0 : 1);
