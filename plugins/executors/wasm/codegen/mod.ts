/**
 * Plans as WebAssembly modules.
 *
 * Imports: the compiler's intermediate representation, and `layout.ts`, which says where things lie.
 *
 * @module
 */
export { generateModule } from "./generate_module.ts";
export { prepare } from "./prepare.ts";
export { controlBytes } from "./control.ts";
