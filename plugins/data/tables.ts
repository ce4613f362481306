/**
 * Small tables, for regression and classification.
 *
 * @module
 */
import { openPackage, text } from "./npm_package.ts";

/** A car, as sold between 1970 and 1982. */
export interface Car {
  /** Make and model, in lower case. */
  readonly name: string;
  /** Miles per US gallon. */
  readonly milesPerGallon: number | null;
  /** How many. */
  readonly cylinders: number;
  /** Cubic inches. */
  readonly displacement: number;
  /** Gross horsepower. */
  readonly horsepower: number | null;
  /** Pounds. */
  readonly weight: number;
  /** Seconds from 0 to 60 miles per hour. */
  readonly acceleration: number;
  /** The model year: 1970 to 1982. */
  readonly year: number;
  /** Where it was made. */
  readonly origin: "Europe" | "Japan" | "USA";
}

/** A penguin of the Palmer Archipelago. */
export interface Penguin {
  /** Its species: the usual target. */
  readonly species: "Adelie" | "Chinstrap" | "Gentoo";
  /** Where it was met. */
  readonly island: "Biscoe" | "Dream" | "Torgersen";
  /** mm. */
  readonly beakLength: number | null;
  /** mm. */
  readonly beakDepth: number | null;
  /** mm. */
  readonly flipperLength: number | null;
  /** g. */
  readonly bodyMass: number | null;
  /** Where it is known. */
  readonly sex: "female" | "male" | null;
}

/**
 * 406 cars and what they consume (the "Auto MPG" data), from npm (`vega-datasets`, 18 MB, installed at first use).
 * Eight have no `milesPerGallon`, six no `horsepower`. Needs permission to read Deno's cache.
 *
 * Source: StatLib; UCI Machine Learning Repository, "Auto MPG".
 *
 * ```ts ignore
 * import { cars, tableToArrays } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const { data } = tableToArrays(await cars(), { x: ["horsepower", "weight"], y: "milesPerGallon", missing: "drop" });
 * assertEquals(data.x.shape, [392, 2]);
 * ```
 */
export async function cars(): Promise<readonly Car[]> {
  const rows = await vegaTable("cars.json");
  return rows.map((row) => ({
    name: row.Name as string,
    milesPerGallon: row.Miles_per_Gallon as number | null,
    cylinders: row.Cylinders as number,
    displacement: row.Displacement as number,
    horsepower: row.Horsepower as number | null,
    weight: row.Weight_in_lbs as number,
    acceleration: row.Acceleration as number,
    year: Number((row.Year as string).slice(0, 4)),
    origin: row.Origin as Car["origin"],
  }));
}

/**
 * 344 penguins of three species, from npm (`vega-datasets`, 18 MB, installed at first use). Two have no measurements,
 * eleven no known sex. Needs permission to read Deno's cache.
 *
 * Source: Horst, Hill, Gorman, "palmerpenguins", https://allisonhorst.github.io/palmerpenguins.
 *
 * ```ts ignore
 * import { penguins } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = await penguins();
 * assertEquals(rows.filter(({ species }) => species === "Gentoo").length, 124);
 * ```
 */
export async function penguins(): Promise<readonly Penguin[]> {
  const rows = await vegaTable("penguins.json");
  return rows.map((row) => ({
    species: row.Species as Penguin["species"],
    island: row.Island as Penguin["island"],
    beakLength: row["Beak Length (mm)"] as number | null,
    beakDepth: row["Beak Depth (mm)"] as number | null,
    flipperLength: row["Flipper Length (mm)"] as number | null,
    bodyMass: row["Body Mass (g)"] as number | null,
    sex: row.Sex === "FEMALE" ? "female" : row.Sex === "MALE" ? "male" : null,
  }));
}

async function vegaTable(file: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const read = await openPackage({ specifier: "npm:vega-datasets@3.2.1", module: { entry: "build/index.js" } });
  return JSON.parse(text(await read(`data/${file}`)));
}
