import { useRef, type KeyboardEvent, type MouseEvent, type PointerEvent } from "react";

/** Handlers of a button that is held: by finger, mouse or key. */
export interface HoldHandlers {
  onPointerDown(event: PointerEvent<HTMLButtonElement>): void;
  onPointerUp(): void;
  onPointerCancel(): void;
  onLostPointerCapture(): void;
  onKeyDown(event: KeyboardEvent): void;
  onKeyUp(event: KeyboardEvent): void;
  onBlur(): void;
  onContextMenu(event: MouseEvent): void;
  onClick(event: MouseEvent): void;
}

/**
 * A button that counts for as long as it is held. Assistive technology can only press: for it the first press begins and
 * the second one ends (`held` is whether it has begun).
 */
export function useHold(held: boolean, begin: () => void, end: () => void): HoldHandlers {
  /** A hold has just been: the click that follows it means nothing. */
  const byHand = useRef(false);
  const isKey = (event: KeyboardEvent): boolean => event.key === " " || event.key === "Enter";
  return {
    onPointerDown(event) {
      if (event.button !== 0) return;
      byHand.current = true;
      // The finger may slide off; it still holds.
      event.currentTarget.setPointerCapture(event.pointerId);
      begin();
    },
    onPointerUp: end,
    onPointerCancel: end,
    onLostPointerCapture: end,
    onKeyDown(event) {
      if (!isKey(event)) return;
      // No click follows.
      event.preventDefault();
      if (!event.repeat) begin();
    },
    onKeyUp(event) {
      if (!isKey(event)) return;
      event.preventDefault();
      end();
    },
    onBlur: end,
    // A long press is what this button is for.
    onContextMenu: (event) => event.preventDefault(),
    onClick() {
      if (!byHand.current) return held ? end() : begin();
      byHand.current = false;
    },
  };
}
