import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { mnist, parseIdx, readCsv, readJsonLines, readNpy, readNpz, tableToArrays } from "@stride/stride/data";
import type { HostArray } from "@stride/stride/core";
import { zipSync } from "fflate";

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A file in IDX format, from its header and the bytes of its elements. */
function idx(type: number, shape: readonly number[], elements: Iterable<number>): Uint8Array {
  const lengths = shape.flatMap((length) => [...new Uint8Array(new Uint32Array([length]).buffer)].reverse());
  return new Uint8Array([0, 0, type, shape.length, ...lengths, ...elements]);
}

const IMAGES = idx(0x08, [2, 1, 3], [1, 2, 3, 253, 254, 255]);

Deno.test("parseIdx() reads unsigned bytes without a copy", async () => {
  const array = await parseIdx(IMAGES);
  assertEquals(array, { shape: [2, 1, 3], dtype: "uint8", values: new Uint8Array([1, 2, 3, 253, 254, 255]) });
  assertEquals(array.values.buffer, IMAGES.buffer);
  assert(array.values.buffer === IMAGES.buffer);
});

Deno.test("parseIdx() reads numbers of every type, big-endian", async () => {
  const bytes = (size: number, write: (view: DataView) => void): Uint8Array => {
    const view = new DataView(new ArrayBuffer(size));
    write(view);
    return new Uint8Array(view.buffer);
  };
  const cases: [number, Uint8Array, HostArray["values"]][] = [
    [0x09, new Uint8Array([0xff, 2]), new Int32Array([-1, 2])],
    [0x0b, new Uint8Array([0xff, 0xfe, 1, 0]), new Int32Array([-2, 256])],
    [0x0c, new Uint8Array([0xff, 0xff, 0xff, 0xfd, 0, 1, 0, 0]), new Int32Array([-3, 65536])],
    [
      0x0d,
      bytes(8, (view) => (view.setFloat32(0, 1.5), view.setFloat32(4, -2.25))),
      new Float32Array([1.5, -2.25]),
    ],
    [
      0x0e,
      bytes(16, (view) => (view.setFloat64(0, 0.1), view.setFloat64(8, -2.25))),
      new Float32Array([0.1, -2.25]),
    ],
  ];
  for (const [type, elements, values] of cases) {
    assertEquals((await parseIdx(idx(type, [2], elements))).values, values);
  }
});

Deno.test("parseIdx() decompresses gzip", async () => {
  assertEquals(await parseIdx(await gzip(IMAGES)), await parseIdx(IMAGES));
});

Deno.test("parseIdx() says what it found and expected when data are damaged", async () => {
  const fails = async (bytes: Uint8Array, kind: typeof TypeError | typeof RangeError, text: string): Promise<void> => {
    await assertRejects(() => parseIdx(bytes, "images"), kind, text);
  };
  await fails(IMAGES.subarray(0, 20), RangeError, "images: it has 20 bytes; expected 22 for [2, 1, 3] elements");
  await fails(new Uint8Array([...IMAGES, 0]), RangeError, "it has 23 bytes; expected 22");
  await fails(IMAGES.subarray(0, 10), RangeError, "ends within its header, after 10 bytes; expected 16 for rank 3");
  await fails(new Uint8Array(), TypeError, "begins with nothing");
  await fails(encode("<html>"), TypeError, "begins with 3c 68 74 6d; expected 00 00");
  await fails(idx(0x0a, [1], [1]), TypeError, "begins with 00 00 0a 01");
  const compressed = await gzip(IMAGES);
  await fails(compressed.subarray(0, compressed.length - 6), TypeError, "Cannot decompress images");
  const flipped = compressed.slice();
  flipped[flipped.length - 6]! ^= 1;
  await fails(flipped, TypeError, "Cannot decompress images");
});

Deno.test("mnist() gives the original 60,000 + 10,000 images", async () => {
  const { train, test } = await mnist();
  assertEquals(train.x.shape, [60000, 28, 28]);
  assertEquals(test.x.shape, [10000, 28, 28]);
  assertEquals([train.x.dtype, train.x.scale, train.y.dtype, train.y.shape], ["uint8", 1 / 255, "uint8", [60000]]);
  assertEquals([...train.y.values.subarray(0, 5)], [5, 0, 4, 1, 9]);
  assertEquals([...test.y.values.subarray(0, 5)], [7, 2, 1, 0, 4]);
  // The published mean of the training pixels is 0.1307.
  assertAlmostEquals(sum(train.x.values) / train.x.values.length / 255, 0.1307, 5e-5);
  const counts = new Array(10).fill(0);
  train.y.values.forEach((label) => counts[label]++);
  assertEquals(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
});

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

Deno.test("fashionMnist(), cars(), penguins() and mobyDick() give what they say", async () => {
  // In a process of its own, without the lock file: what that names is downloaded with every first command.
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-lock", new URL("./data_packages.ts", import.meta.url).href],
    env: { NO_COLOR: "1" },
  }).output();
  const output = new TextDecoder().decode(stdout);
  assert(success, output);
  assertStringIncludes(output, "3 passed");
});

Deno.test("data packages are not loaded until they are asked for", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", new URL("../../plugins/data/mod.ts", import.meta.url).href],
  }).output();
  const { npmPackages } = JSON.parse(new TextDecoder().decode(stdout));
  const names = Object.values(npmPackages as Record<string, { name: string }>).map(({ name }) => name);
  assertEquals(names.filter((name) => /mnist|vega|moby/.test(name)), []);
});

Deno.test("tableToArrays() refuses what it cannot turn into numbers", () => {
  const rows = [{ a: 1, b: "x", c: null }, { a: null, b: 2, c: null }];
  assertThrows(() => tableToArrays(rows, { x: ["a"] }), TypeError, 'row 1 has no value of "a"');
  assertThrows(() => tableToArrays(rows, { x: ["b"] }), TypeError, 'column "b" holds text and numbers mixed');
  assertThrows(() => tableToArrays(rows, { x: ["c"] }), TypeError, 'column "c" has no values in 2 rows');
  assertThrows(
    () => tableToArrays([{ a: 1, b: null }, { a: null, b: 1 }], { x: ["a", "b"], missing: "drop" }),
    RangeError,
    "all of its 2 rows",
  );
  assertEquals([...tableToArrays([{ t: true }, { t: false }], { x: ["t"] }).data.x.values], [1, 0]);
});

Deno.test("readCsv() reads quotes, other separators, names of its own and missing values", async () => {
  assertEquals(
    await readCsv(encode('\ufeffname;size\r\n"a;""b""";1e3\r\nc;NA\r\n\r\n'), { separator: ";" }),
    [{ name: 'a;"b"', size: 1000 }, { name: "c", size: null }],
  );
  assertEquals(await readCsv(encode("1,?\n2,x\n"), { columns: ["n", "s"], missing: ["?"] }), [
    { n: 1, s: null },
    { n: 2, s: "x" },
  ]);
  assertEquals(await readCsv(await gzip(encode("a\n1\n"))), [{ a: 1 }]);
  assertEquals(await readCsv("data:text/csv,a,b%0A1,two"), [{ a: 1, b: "two" }]);
  await assertRejects(() => readCsv(encode("a,b\n1\n")), TypeError, "Cannot read the table 6 bytes");
});

Deno.test("readCsv() reads from paths, file URLs and servers, and says when there is nothing", async () => {
  const path = await Deno.makeTempFile({ suffix: ".csv" });
  await Deno.writeTextFile(path, "a\n1\n");
  await using server = Deno.serve(
    { port: 0, onListen() {} },
    (request) => request.url.endsWith("/a.csv") ? new Response("a\n1\n") : new Response("", { status: 404 }),
  );
  const root = `http://localhost:${server.addr.port}`;
  for (const source of [path, new URL(`file://${path}`), `file://${path}`, `${root}/a.csv`]) {
    assertEquals(await readCsv(source), [{ a: 1 }]);
  }
  await assertRejects(() => readCsv(`${root}/b.csv`), Error, "the server answered 404");
  await Deno.remove(path);
  await assertRejects(() => readCsv(path), Deno.errors.NotFound);
});

Deno.test("readJsonLines() names the line that is damaged", async () => {
  assertEquals(await readJsonLines(encode('{"a":1}\r\n\n[2]')), [{ a: 1 }, [2]]);
  await assertRejects(() => readJsonLines(encode('1\n{"a":\n3')), SyntaxError, 'line 2 is {"a":');
});

/** A file as numpy.save writes it. */
function npy(descr: string, shape: string, elements: ArrayBufferView, fortran = false): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }\n`;
  const data = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  return new Uint8Array([0x93, ...encode("NUMPY"), 1, 0, header.length, 0, ...encode(header), ...data]);
}

Deno.test("readNpy() reads numbers of several types, in either order", async () => {
  const cases: [Uint8Array, HostArray][] = [
    [npy("<f4", "(2,)", new Float32Array([1.5, -2])), {
      shape: [2],
      dtype: "float32",
      values: new Float32Array([1.5, -2]),
    }],
    [npy("<f8", "()", new Float64Array([0.1])), { shape: [], dtype: "float32", values: new Float32Array([0.1]) }],
    [npy("<i8", "(1, 2)", new BigInt64Array([-1n, 7n])), {
      shape: [1, 2],
      dtype: "int32",
      values: new Int32Array([-1, 7]),
    }],
    [npy(">i2", "(1,)", new Uint8Array([1, 2])), { shape: [1], dtype: "int32", values: new Int32Array([258]) }],
    [npy("<f2", "(1,)", new Uint16Array([0x3e00])), { shape: [1], dtype: "float32", values: new Float32Array([1.5]) }],
    [npy("|b1", "(2,)", new Uint8Array([1, 0])), { shape: [2], dtype: "bool", values: new Uint8Array([1, 0]) }],
    // Columns of [[0, 1, 2], [3, 4, 5]], one after the other.
    [npy("|u1", "(2, 3)", new Uint8Array([0, 3, 1, 4, 2, 5]), true), {
      shape: [2, 3],
      dtype: "uint8",
      values: new Uint8Array([0, 1, 2, 3, 4, 5]),
    }],
  ];
  for (const [bytes, array] of cases) assertEquals(await readNpy(bytes), array);
});

Deno.test("readNpy() says what it found when it cannot read it", async () => {
  await assertRejects(() => readNpy(encode("no such file at all")), TypeError, "does not begin as a NumPy array");
  await assertRejects(() => readNpy(npy("<U1", "(1,)", new Uint8Array(4))), TypeError, "'descr': '<U1'");
  await assertRejects(() => readNpy(npy("<f4", "(2,)", new Float32Array(1))), RangeError, "It is truncated");
  await assertRejects(() => readNpy(npy("<i8", "(1,)", new BigInt64Array([2n ** 40n]))), RangeError, "1099511627776");
});

Deno.test("readNpz() reads arrays by name, compressed or not", async () => {
  const files = {
    "a.npy": npy("|u1", "(1,)", new Uint8Array([9])),
    "b.npy": npy("<f4", "(1,)", new Float32Array([2])),
  };
  for (const level of [0, 9] as const) {
    const { a, b } = await readNpz(zipSync(files, { level }));
    assertEquals([a!.values[0], b!.values[0]], [9, 2]);
  }
  await assertRejects(() => readNpz(zipSync(files).subarray(0, 50)), TypeError, "expected a complete zip file");
});
