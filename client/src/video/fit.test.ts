import { describe, expect, it } from "vitest";
import { Fit } from "./fit";

/** A camera whose pictures take so many bytes at their best. */
function camera(best: number) {
  return ({ side, quality }: Fit["form"]): number => Math.round(best * (side / 768) ** 2 * (quality / 0.8));
}

/** One picture, made until it fits; its bytes, or undefined where none does. */
function picture(fit: Fit, bytesOf: ReturnType<typeof camera>): number | undefined {
  for (let tries = 0; tries < 20; tries++) {
    const bytes = bytesOf(fit.form);
    const verdict = fit.made(bytes);
    if (verdict === "fits") return bytes;
    if (verdict === "hopeless") return undefined;
  }
  return expect.fail("it never ends");
}

describe("a picture", () => {
  it("is made smaller at once until it fits, and never larger than the server takes", () => {
    for (const max of [2048, 20_000, 100_000, 1_048_576]) {
      const fit = new Fit(max, 768);
      for (let i = 0; i < 50; i++) {
        const bytes = picture(fit, camera(400_000));
        fit.took(50);
        if (bytes !== undefined) expect(Math.ceil(bytes / 3) * 4 + 200, `${max}`).toBeLessThanOrEqual(max);
      }
    }
  });

  it("that is too large at its smallest is not shown", () => {
    const fit = new Fit(4096, 768);
    expect(picture(fit, camera(10_000_000))).toBeUndefined();
    expect(picture(fit, camera(10_000))).toBeDefined();
  });

  it("becomes small on a line that is slow, and better again when there is room", () => {
    const fit = new Fit(1_048_576, 768);
    const look = camera(90_000);
    expect(picture(fit, look)).toBe(90_000);
    expect(fit.form).toEqual({ side: 768, quality: 0.8 });
    for (let i = 0; i < 4; i++) {
      picture(fit, look);
      fit.took(900);
    }
    const small = picture(fit, look)!;
    expect(small).toBeLessThan(20_000);
    // In between it stays as it is.
    const { budget } = fit;
    fit.took(500);
    expect(fit.budget).toBe(budget);
    for (let i = 0; i < 60; i++) {
      picture(fit, look);
      fit.took(100);
    }
    expect(fit.form).toEqual({ side: 768, quality: 0.8 });
  });

  it("never asks for less than a line can be thought to carry", () => {
    const fit = new Fit(1_048_576, 768);
    for (let i = 0; i < 100; i++) fit.stalled();
    expect(fit.budget).toBe(8000);
  });
});
