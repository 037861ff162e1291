import { describe, expect, it } from "vitest";
import { qualityOf, type LineFacts } from "./quality";

const fine: LineFacts = { rttMs: 40, unacknowledged: 12, underran: false, lost: false };

describe("the quality of a line", () => {
  it("is good on an ordinary one, and on one that is not measured yet", () => {
    expect(qualityOf(fine)).toBe("good");
    expect(qualityOf({ ...fine, rttMs: 0, unacknowledged: 0 })).toBe("good");
  });

  it("is fair when it can be felt, and poor when it hurts", () => {
    expect(qualityOf({ ...fine, rttMs: 300 })).toBe("fair");
    expect(qualityOf({ ...fine, underran: true })).toBe("fair");
    expect(qualityOf({ ...fine, unacknowledged: 60 })).toBe("fair");
    expect(qualityOf({ ...fine, rttMs: 800 })).toBe("poor");
    expect(qualityOf({ ...fine, unacknowledged: 200 })).toBe("poor");
    expect(qualityOf({ ...fine, lost: true })).toBe("poor");
  });
});
