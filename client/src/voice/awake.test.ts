import { expect, it, vi } from "vitest";
import { Awake, type Sentinel } from "./awake";

function lock(): Sentinel & { released: boolean } {
  const sentinel = { released: false, release: vi.fn(() => Promise.resolve(void (sentinel.released = true))) };
  return sentinel;
}

const settle = (): Promise<void> => new Promise((done) => setTimeout(done));

it("keeps the screen on, asks again when the system took the lock, and lets go", async () => {
  const locks: ReturnType<typeof lock>[] = [];
  const ask = vi.fn(() => {
    locks.push(lock());
    return Promise.resolve(locks.at(-1)!);
  });
  const awake = new Awake(ask);
  awake.set(true);
  awake.set(true);
  await settle();
  awake.set(true);
  expect(ask).toHaveBeenCalledTimes(1);
  locks[0]!.released = true;
  awake.set(true);
  await settle();
  expect(ask).toHaveBeenCalledTimes(2);
  awake.set(false);
  expect(locks[1]!.released).toBe(true);
});

it("does not keep a lock that comes after nobody wants it any more, and lives without one", async () => {
  const late = lock();
  const awake = new Awake(() => Promise.resolve(late));
  awake.set(true);
  awake.set(false);
  await settle();
  expect(late.released).toBe(true);

  const ask = vi.fn(() => Promise.reject(new Error("The battery is low.")));
  const refused = new Awake(ask);
  refused.set(true);
  await settle();
  refused.set(true);
  expect(ask).toHaveBeenCalledTimes(2);
});
