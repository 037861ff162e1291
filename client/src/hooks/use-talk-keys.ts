import { useEffect } from "react";
import type { Call } from "@/voice/call";
import { isLive } from "@/voice/state";

/** What takes the space bar for itself when it has the keyboard's focus. */
const takesSpace = "button, a[href], input, textarea, select, summary, [contenteditable], [role=log], dialog *";

/**
 * The keys of a conversation: Escape interrupts; space mutes, and in push-to-talk is held to speak. A control that was
 * reached with the keyboard keeps its space; one that was pressed with a pointer does not, or the first press after
 * "Start talking" would not be the person's.
 */
export function useTalkKeys(call: Call): void {
  useEffect(() => {
    /** The button that has the focus because of a pointer: pressed with it, or given it back by a dialog that was. */
    let pressed: Element | null = null;
    let pointing = false;
    let held = false;

    const shortcut = (event: KeyboardEvent): boolean => {
      if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return false;
      if (!isLive(call.getSnapshot().status)) return false;
      const control = document.activeElement?.closest(takesSpace);
      return !control || (control instanceof HTMLButtonElement && control === pressed);
    };
    const onKeyDown = (event: KeyboardEvent): void => {
      // A dialog takes it first.
      if (event.key === "Escape") return document.querySelector("dialog[open]") ? undefined : call.interrupt();
      if (event.key === "Tab" || event.key === "Enter") {
        pointing = false;
        pressed = null;
      }
      if (!shortcut(event)) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.repeat) return;
      const { pushToTalk, muted } = call.getSnapshot();
      if (!pushToTalk) return call.setMuted(!muted);
      held = true;
      call.beginTalking();
    };
    const onKeyUp = (event: KeyboardEvent): void => {
      // Firefox presses a button when the key goes up.
      if (shortcut(event)) event.preventDefault();
      if (event.code === "Space" && held) release();
    };
    const release = (): void => {
      if (held) call.endTalking();
      held = false;
    };
    const onPointerDown = (event: PointerEvent): void => {
      pointing = true;
      pressed = event.target instanceof Element ? event.target.closest("button") : null;
    };
    const onFocus = (event: FocusEvent): void => {
      if (pointing && event.target instanceof Element) pressed = event.target.closest("button");
    };
    const onBlur = (): void => {
      // The key goes up elsewhere.
      held = false;
      call.endTalking();
    };
    const abort = new AbortController();
    const { signal } = abort;
    // Escape comes last, so that what it folds in first can keep it; space comes before the control that has the focus.
    window.addEventListener("keydown", (event) => event.code !== "Space" && onKeyDown(event), { signal });
    window.addEventListener("keydown", (event) => event.code === "Space" && onKeyDown(event), { signal, capture: true });
    window.addEventListener("keyup", onKeyUp, { signal, capture: true });
    window.addEventListener("pointerdown", onPointerDown, { signal, capture: true });
    window.addEventListener("focusin", onFocus, { signal });
    window.addEventListener("blur", onBlur, { signal });
    document.addEventListener("visibilitychange", () => document.hidden && onBlur(), { signal });
    return () => abort.abort();
  }, [call]);
}
