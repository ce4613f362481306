import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { crc32, deflateSync, gzipSync } from "node:zlib";
import { encode as encodeJpeg } from "jpeg-js";
import type { HostArray } from "../../core/batch.ts";
import { batchArrays } from "../../core/data/batch_tensors.ts";
import { tf } from "../../core/tf.ts";
import { dataset } from "../../plugins/data/pipeline/mod.ts";
import { byteChunks } from "../../plugins/data/readers/byte_stream.ts";
import { decodeImage } from "../../plugins/data/readers/decode_image.ts";
import { imageFolder, streamCsv, streamJsonLines } from "../../plugins/data/readers/mod.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Pieces of a few bytes, so that characters, lines and magic bytes are torn apart. */
function inPieces(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  return ReadableStream.from(function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
  }());
}

Deno.test("byteChunks() reads paths, URLs, bytes and streams, compressed or not", async () => {
  const content = bytesOf("über\n".repeat(50));
  const file = await Deno.makeTempFile();
  await Deno.writeFile(file, gzipSync(content));
  await using server = Deno.serve(
    { port: 0, onListen() {} },
    (request) => request.url.endsWith("/there") ? new Response(gzipSync(content)) : new Response("", { status: 404 }),
  );
  const address = `http://localhost:${server.addr.port}`;
  for (
    const source of [
      file,
      new URL(`file://${file}`),
      `${address}/there`,
      content,
      inPieces(content, 1),
      inPieces(gzipSync(content), 1),
    ]
  ) {
    const text = new TextDecoder().decode(
      Uint8Array.from((await all(byteChunks(source))).flatMap((chunk) => [...chunk])),
    );
    assertEquals(text, "über\n".repeat(50));
  }
  await assertRejects(() => all(byteChunks(`${address}/gone`)), Error, "gone: the server answered 404");
  await assertRejects(() => all(byteChunks(`${file}.gone`)), Deno.errors.NotFound);
  assertEquals(await all(byteChunks(new Uint8Array())), []);
  await Deno.remove(file);
});

Deno.test("byteChunks() says how far it got when gzip is damaged or cut off", async () => {
  const content = crypto.getRandomValues(new Uint8Array(50_000));
  const cut = gzipSync(content).slice(0, 30_000);
  await assertRejects(
    () => all(byteChunks(cut)),
    TypeError,
    "Cannot decompress 30000 bytes: it is damaged or cut off after",
  );
  const wrong = gzipSync(content);
  wrong[wrong.length - 6]! ^= 1;
  await assertRejects(() => all(byteChunks(inPieces(wrong, 1000))), TypeError, "Cannot decompress the stream");
});

Deno.test("streamJsonLines() reads lines torn apart, and again in every pass", async () => {
  const bytes = bytesOf('\ufeff{"a":"ä"}\r\n\n{"a":2}');
  assertEquals(await all(streamJsonLines(inPieces(bytes, 1))), [{ a: "ä" }, { a: 2 }]);
  const data = dataset(streamJsonLines<{ a: number }>(bytesOf('{"a":1}\n{"a":2}\n'))).map(({ a }) => [a]).repeat(2)
    .batch(3);
  await using feed = data.open({ index: 0, count: 1 });
  assertEquals((await feed.next(9)).map((batch) => [...(batchArrays(batch).x as HostArray).values]), [[1, 2, 1], [2]]);
});

Deno.test("streamJsonLines() names the line that is damaged", async () => {
  await assertRejects(() => all(streamJsonLines(bytesOf('{"a":1}\n\n{"a":'))), SyntaxError, 'line 3 is {"a":');
});

Deno.test("streamCsv() reads quotes, other separators, own names, types and missing values", async () => {
  const text = '\ufeffsize;"the kind";ok\r\n1.5;"a ""b""; c";true\r\n\r\nNA;"two\nlines";0\r\n?;dog;\r\n';
  const rows = streamCsv(inPieces(bytesOf(text), 3), {
    separator: ";",
    types: { size: "number", ok: "boolean" },
    missing: ["NA", "?"],
  });
  const found = await all(rows);
  // Typed: a number or nothing.
  const size: number | null = found[0]!.size;
  assertEquals(size, 1.5);
  assertEquals(found.map((row) => ({ ...row })), [
    { size: 1.5, "the kind": 'a "b"; c', ok: true },
    { size: null, "the kind": "two\nlines", ok: false },
    { size: null, "the kind": "dog", ok: null },
  ]);
  assertEquals(await all(streamCsv(bytesOf("1,2\n"), { columns: ["a", "b"] })), [{ a: "1", b: "2" }]);
});

Deno.test("streamCsv() names the line and column that are wrong", async () => {
  const table = (text: string, types = {}) => () => all(streamCsv(bytesOf(text), { types }));
  await assertRejects(table("a,b\n1,2\n3\n"), TypeError, "on line 3");
  await assertRejects(table('a,b\n1,"2\n'), TypeError, "Quote Not Closed");
  await assertRejects(
    table("a,b\n1,2\n1,x\n", { b: "number" }),
    TypeError,
    'Cannot read "b" in line 3 of 12 bytes: found "x"; expected a number',
  );
  await assertRejects(table("a,b\n1,2\n", { c: "number" }), TypeError, "it has no column c; found a, b");
  await assertRejects(
    () => all(streamCsv(gzipSync(bytesOf("a,b\n1,2\n")).slice(0, 15))),
    TypeError,
    "Cannot decompress",
  );
});

Deno.test("streamCsv() stops reading when its pipeline stops", async () => {
  let closed = false;
  let read = 0;
  const source = ReadableStream.from(async function* () {
    try {
      for (;; read++) yield await Promise.resolve(bytesOf("1,2\n".repeat(500)));
    } finally {
      closed = true;
    }
  }());
  {
    const data = dataset(streamCsv(source, { columns: ["a", "b"], types: { a: "number" } })).map(({ a }) => a!).batch(
      10,
    );
    await using feed = data.open({ index: 0, count: 1 });
    assertEquals((await feed.next(3)).length, 3);
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert(closed);
  // Read ahead, but not all there is.
  assertLessOrEqual(read, 200);
});

/** A PNG as the specification has it, whatever its color type and depth. */
function png(
  width: number,
  height: number,
  depth: number,
  color: number,
  rows: number[][],
  palette?: number[],
): Uint8Array {
  const chunk = (type: string, data: Uint8Array): Uint8Array => {
    const body = Uint8Array.of(...bytesOf(type), ...data);
    const frame = new Uint8Array(body.length + 8);
    new DataView(frame.buffer).setUint32(0, data.length);
    frame.set(body, 4);
    new DataView(frame.buffer).setUint32(body.length + 4, crc32(body));
    return frame;
  };
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([depth, color], 8);
  return Uint8Array.of(
    ...[0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10],
    ...chunk("IHDR", header),
    ...(palette === undefined ? [] : chunk("PLTE", Uint8Array.from(palette))),
    ...chunk("IDAT", deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])))),
    ...chunk("IEND", new Uint8Array()),
  );
}

Deno.test("decodeImage() decodes PNG of every color type and depth", async () => {
  const pixels = async (
    bytes: Uint8Array,
    channels: 1 | 3 = 3,
  ): Promise<number[]> => [...(await decodeImage(bytes, { height: 1, width: 2, channels }, "a.png")).values];
  const cases: [Uint8Array, number[]][] = [
    [png(2, 1, 8, 2, [[1, 2, 3, 4, 5, 6]]), [1, 2, 3, 4, 5, 6]],
    [png(2, 1, 8, 6, [[1, 2, 3, 0, 4, 5, 6, 9]]), [1, 2, 3, 4, 5, 6]],
    [png(2, 1, 8, 0, [[7, 8]]), [7, 7, 7, 8, 8, 8]],
    [png(2, 1, 8, 4, [[7, 0, 8, 0]]), [7, 7, 7, 8, 8, 8]],
    [png(2, 1, 16, 0, [[255, 255, 128, 128]]), [255, 255, 255, 128, 128, 128]],
    [png(2, 1, 1, 0, [[0b01000000]]), [0, 0, 0, 255, 255, 255]],
    [png(2, 1, 4, 0, [[0x0f]]), [0, 0, 0, 255, 255, 255]],
    [png(2, 1, 2, 3, [[0b0110_0000]], [9, 9, 9, 1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]],
    [png(2, 1, 8, 3, [[1, 0]], [4, 5, 6, 1, 2, 3]), [1, 2, 3, 4, 5, 6]],
  ];
  for (const [bytes, expected] of cases) assertEquals(await pixels(bytes), expected);
  assertEquals(await pixels(png(2, 1, 8, 2, [[100, 50, 200, 0, 0, 10]]), 1), [82, 1]);
});

Deno.test("decodeImage() decodes JPEG within what compression loses", async () => {
  const data = new Uint8Array(16 * 16 * 4).map((_, i) => [200, 40, 90, 255][i % 4]!);
  const bytes = new Uint8Array(encodeJpeg({ width: 16, height: 16, data }, 95).data);
  const image = await decodeImage(bytes, { height: 8, width: 8, channels: 3 }, "a.jpg");
  assertEquals([image.shape, image.dtype, image.scale], [[8, 8, 3], "uint8", 1 / 255]);
  image.values.forEach((value, i) => assertLessOrEqual(Math.abs(value - [200, 40, 90][i % 3]!), 4));
});

Deno.test("decodeImage() resizes as tf.image.resizeBilinear with half-pixel centers", async () => {
  const [height, width] = [5, 7];
  const rows = Array.from(
    { length: height },
    (_, y) => Array.from({ length: width }, (_, x) => (37 * y + 91 * x * x) % 256),
  );
  for (const [h, w] of [[3, 4], [9, 10], [5, 2]] as const) {
    const image = await decodeImage(png(width, height, 8, 0, rows), { height: h, width: w, channels: 1 }, "a.png");
    const expected = tf.tidy(() =>
      tf.image.resizeBilinear(tf.tensor3d(rows.map((row) => row.map((v) => [v]))), [h, w], false, true).dataSync()
    );
    image.values.forEach((value, i) => assertLessOrEqual(Math.abs(value - expected[i]!), 0.501));
  }
});

Deno.test("decodeImage() names the file that is damaged", async () => {
  const shape = { height: 2, width: 2, channels: 3 } as const;
  const whole = png(2, 1, 8, 0, [[7, 8]]);
  const flipped = whole.slice();
  flipped[45]! ^= 1;
  const jpeg = new Uint8Array(
    encodeJpeg({ width: 64, height: 64, data: crypto.getRandomValues(new Uint8Array(64 * 64 * 4)) }, 90).data,
  );
  for (
    const bytes of [whole.slice(0, 40), flipped, jpeg.slice(0, jpeg.length >> 1), bytesOf("GIF89a"), new Uint8Array()]
  ) {
    await assertRejects(() => decodeImage(bytes, shape, "kind/a.png"), TypeError, "Cannot decode kind/a.png: ");
  }
});

async function folderOf(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const root = await Deno.makeTempDir({ prefix: "größe #1 " });
  for (const [path, bytes] of Object.entries(files)) {
    await Deno.mkdir(`${root}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeFile(`${root}/${path}`, bytes);
  }
  return root;
}

const gray = (value: number): Uint8Array => png(1, 1, 8, 0, [[value]]);

Deno.test("imageFolder() numbers classes and files by name, and reads files when they are needed", async () => {
  const root = await folderOf({
    "b cat/10.png": gray(3),
    "b cat/2.PNG": gray(4),
    "b cat/notes.txt": bytesOf("no image"),
    "b cat/deeper/0.png": gray(5),
    "a/%41 ä.png": gray(1),
    "a/.hidden.png": gray(9),
    "a/broken.png": bytesOf("no image"),
    "beside.png/x.txt": bytesOf(""),
  });
  await Deno.writeFile(`${root}/beside.png/../top.png`, gray(9));
  const found = await imageFolder(root, { size: [1, 1], channels: 1, classes: ["a", "b cat"], parallel: 2 });
  assertEquals(found.files.map((file) => file.slice(root.length + 1)), [
    "a/%41 ä.png",
    "a/broken.png",
    "b cat/10.png",
    "b cat/2.PNG",
    "b cat/deeper/0.png",
  ]);
  const data = (await imageFolder(root, { size: [1, 1], channels: 1 })).data;
  assertEquals(data.size, 5);
  // The broken file is passed over, not read.
  await using feed = data.skip(2).batch(2).open({ index: 0, count: 1 });
  const read = (await feed.next(2)).map(batchArrays).map(({ x, y }) =>
    [x, y].map((array) => [...(array as HostArray).values])
  );
  assertEquals(read, [[[3, 4], [1, 1]], [[5], [1]]]);
  await assertRejects(
    () => data.batch(2).peek(),
    Error,
    `Cannot map element 1 (number 1 in the source) of pass 0: Cannot decode ${root}/a/broken.png`,
  );
  await Deno.remove(root, { recursive: true });
});

Deno.test("imageFolder() says what is missing", async () => {
  const root = await folderOf({ "a/x.txt": bytesOf("") });
  await assertRejects(
    () => imageFolder(root, { size: [1, 1] }),
    TypeError,
    "found no .png, .jpg or .jpeg files in its folders a",
  );
  await assertRejects(() => imageFolder(`${root}/a`, { size: [1, 1] }), TypeError, "it has no folders");
  await assertRejects(() => imageFolder(`${root}/b`, { size: [1, 1] }), Deno.errors.NotFound);
  await assertRejects(() => imageFolder(root, { size: [0, 1] }), RangeError, "height of 0");
  await Deno.remove(root, { recursive: true });
});
