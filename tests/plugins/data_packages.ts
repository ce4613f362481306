/**
 * Tests of the ready data sets whose packages are not in the lock file; `data_test.ts` runs them in a process of its own.
 * Their examples are marked `ignore` for the same reason: running them would write the packages into the lock file.
 *
 * @module
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { cars, fashionMnist, mobyDick, penguins, tableToArrays } from "@stride/stride/data";

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

Deno.test("fashionMnist() gives 7,000 images of each class, taking turns", async () => {
  const { train, test } = await fashionMnist();
  assertEquals([train.x.shape, train.y.shape], [[60000, 28, 28], [60000]]);
  assertEquals([test.x.shape, test.y.shape], [[10000, 28, 28], [10000]]);
  assert(train.y.values.every((label, index) => label === index % 10));
  assert(test.y.values.every((label, index) => label === index % 10));
  // The published mean of all pixels is 0.286.
  const total = sum(train.x.values) + sum(test.x.values);
  assertAlmostEquals(total / 70000 / 784 / 255, 0.286, 5e-4);
  // The first training image of the original, an ankle boot, is image 899 of its class here.
  assertEquals(sum(train.x.values.subarray((899 * 10 + 9) * 784, (899 * 10 + 10) * 784)), 76247);
});

Deno.test("cars() and penguins() give typed rows", async () => {
  const [first] = await cars();
  assertEquals(first, {
    name: "chevrolet chevelle malibu",
    milesPerGallon: 18,
    cylinders: 8,
    displacement: 307,
    horsepower: 130,
    weight: 3504,
    acceleration: 12,
    year: 1970,
    origin: "USA",
  });
  const rows = await penguins();
  assertEquals(rows.length, 344);
  assertEquals(rows[0], {
    species: "Adelie",
    island: "Torgersen",
    beakLength: 39.1,
    beakDepth: 18.7,
    flipperLength: 181,
    bodyMass: 3750,
    sex: "male",
  });
  assertEquals(rows.filter(({ sex }) => sex === null).length, 11);
  const { data, classes } = tableToArrays(rows, { x: ["beakLength", "bodyMass"], y: "species", missing: "drop" });
  assertEquals([data.x.shape, data.y!.dtype], [[342, 2], "int32"]);
  assertEquals(classes.species, ["Adelie", "Chinstrap", "Gentoo"]);
});

Deno.test("mobyDick() gives the book in order", async () => {
  const chapters = await mobyDick();
  assertEquals(chapters.length, 138);
  assertEquals(chapters.slice(0, 3).map(({ chapter }) => chapter), ["Etymology", "Extracts", "1"]);
  assertEquals(chapters.at(-1)!.chapter, "Epilogue");
  assertEquals(chapters[2]!.title, "Loomings.");
});
