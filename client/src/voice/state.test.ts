import { describe, expect, it } from "vitest";
import { edges, isLive, transition, type Effect, type Event, type Status } from "./state";
import vectors from "./state.vectors.json";

const statuses = Object.keys(edges) as Status[];
const key = (from: string, event: string): string => `${from} + ${event}`;

describe("the table of a call's life", () => {
  for (const { from, event, to, effects } of vectors) {
    it(`${key(from, event)} leads to ${to}`, () => {
      expect(transition(from as Status, event as Event)).toEqual({ status: to, effects });
    });
  }

  it("has a vector for every edge and an edge for every vector", () => {
    const inTable = statuses.flatMap((from) => Object.keys(edges[from]).map((event) => key(from, event)));
    const inVectors = vectors.map((v) => key(v.from, v.event));
    expect(inVectors.toSorted()).toEqual(inTable.toSorted());
    expect(new Set(inVectors).size).toBe(inVectors.length);
  });

  it("ignores every event that has no edge", () => {
    const events = new Set(vectors.map((v) => v.event as Event));
    for (const from of statuses) {
      for (const event of events) {
        if (!edges[from][event]) expect(transition(from, event), key(from, event)).toBeUndefined();
      }
    }
  });

  it("can be left from every status in which a call is under way, and then tears everything down", () => {
    for (const from of statuses.filter(isLive)) {
      for (const event of ["ended", "failed"] as const) {
        expect(transition(from, event)?.effects, key(from, event)).toEqual(
          expect.arrayContaining<Effect>(["clearPlayback", "teardown"]),
        );
      }
      expect(transition(from, "hangUp")?.status).toBe("ending");
    }
  });

  it("starts a timer whenever it enters a status that has one, and stops it whenever it leaves", () => {
    const timers: Partial<Record<Status, [Effect, Effect]>> = {
      thinking: ["startPatience", "stopPatience"],
      interrupted: ["startSettling", "stopSettling"],
      ending: ["startFarewell", "stopFarewell"],
    };
    for (const { from, to, effects } of vectors) {
      if (from === to) continue;
      const [start] = timers[to as Status] ?? [];
      const [, stop] = timers[from as Status] ?? [];
      if (start) expect(effects).toContain(start);
      if (stop) expect(effects).toContain(stop);
    }
  });
});
