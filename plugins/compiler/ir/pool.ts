/**
 * Equal expressions as one object.
 *
 * @module
 */
import type { Expression } from "./types.ts";

/** An expression before it has an id. */
export type Draft = Expression extends infer E ? E extends Expression ? Omit<E, "id"> : never : never;

/**
 * Finds expressions by what they are made of. Steps have hundreds of thousands, most of them asked for again and again: a
 * hash of the parts' ids takes a fifth of the time of a key of text, and leaves no garbage.
 */
export class ExpressionPool {
  readonly #known = new Map<number, Expression | Expression[]>();
  #ids = 0;

  /** The expression that is like a draft, which becomes the expression where there is none yet. */
  intern(draft: Draft): Expression {
    const hash = hashOf(draft);
    const found = this.#known.get(hash);
    if (found === undefined) {
      const made = this.#number(draft);
      this.#known.set(hash, made);
      return made;
    }
    if (!Array.isArray(found)) {
      if (isAlike(found, draft)) return found;
      const made = this.#number(draft);
      this.#known.set(hash, [found, made]);
      return made;
    }
    let known = found.find((each) => isAlike(each, draft));
    if (known === undefined) found.push(known = this.#number(draft));
    return known;
  }

  #number(draft: Draft): Expression {
    return Object.assign(draft, { id: this.#ids++ }) as Expression;
  }
}

const words = new Map<string, number>();

/** A number for an operation, a type or a column. */
function wordOf(text: string): number {
  let word = words.get(text);
  if (word === undefined) words.set(text, word = Math.imul(words.size + 1, 0x5bd1e995));
  return word;
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

function bitsOf(value: number): number {
  float[0] = value;
  return bits[0]!;
}

/** Of 30 bits, which V8 keeps without a box. */
function hashOf(x: Draft): number {
  let hash = wordOf(x.kind);
  switch (x.kind) {
    case "number":
      hash = mix(hash, wordOf(x.type) ^ (x.type === "f32" ? bitsOf(x.value) : x.value));
      break;
    case "axis":
      hash = mix(hash, x.axis.id);
      break;
    case "affine":
      hash = mix(hash, x.constant);
      for (const { atom, factor } of x.terms) hash = mix(mix(hash, atom.id), factor);
      break;
    case "load":
      hash = mix(mix(hash ^ wordOf(x.type), x.buffer.id), x.index.id);
      break;
    case "column":
      hash = mix(hash, wordOf(x.column));
      break;
    case "result":
      hash = mix(hash, x.result);
      break;
    case "unary":
      hash = mix(hash ^ wordOf(x.operation), x.x.id);
      break;
    case "binary":
      hash = mix(mix(hash ^ wordOf(x.operation), x.a.id), x.b.id);
      break;
    case "select":
      hash = mix(mix(mix(hash, x.condition.id), x.then.id), x.otherwise.id);
      break;
    case "cast":
      hash = mix(hash ^ wordOf(x.type), x.x.id);
      break;
    case "random":
      hash = mix(mix(hash ^ wordOf(x.distribution), x.stream), x.index.id);
      break;
    default:
      return x satisfies never;
  }
  return hash & 0x3fffffff;
}

/** Whether a draft is of the same form as a known expression; parts are the same objects then. */
function isAlike(x: Expression, y: Draft): boolean {
  switch (x.kind) {
    case "number":
      return y.kind === "number" && x.type === y.type && Object.is(x.value, y.value);
    case "axis":
      return y.kind === "axis" && x.axis.id === y.axis.id;
    case "affine":
      return y.kind === "affine" && x.constant === y.constant && x.terms.length === y.terms.length &&
        x.terms.every(({ atom, factor }, i) => atom === y.terms[i]!.atom && factor === y.terms[i]!.factor);
    case "load":
      return y.kind === "load" && x.buffer.id === y.buffer.id && x.index === y.index && x.type === y.type;
    case "column":
      return y.kind === "column" && x.column === y.column;
    case "result":
      return y.kind === "result" && x.result === y.result;
    case "unary":
      return y.kind === "unary" && x.operation === y.operation && x.x === y.x;
    case "binary":
      return y.kind === "binary" && x.operation === y.operation && x.a === y.a && x.b === y.b;
    case "select":
      return y.kind === "select" && x.condition === y.condition && x.then === y.then && x.otherwise === y.otherwise;
    case "cast":
      return y.kind === "cast" && x.type === y.type && x.x === y.x;
    case "random":
      return y.kind === "random" && x.distribution === y.distribution && x.stream === y.stream && x.index === y.index;
    default:
      return x satisfies never;
  }
}
