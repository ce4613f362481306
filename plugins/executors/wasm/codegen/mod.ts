/**
 * Plans as WebAssembly modules.
 *
 * Imports: the compiler's intermediate representation, and `layout.ts`, which says where things lie.
 *
 * @module
 */
export { controlBytes } from "./control.ts";
export { generateModule } from "./generate_module.ts";
export { prepare } from "./prepare.ts";
