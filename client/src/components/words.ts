import type { CallSnapshot, Notice, Offer } from "@/voice/snapshot";
import { isLive } from "@/voice/state";

export interface Words {
  /** The state in a word or two. */
  readonly title: string;
  /** What the person can do now. */
  readonly hint: string;
  /** And with a keyboard; not shown where there is only a finger. */
  readonly keyboardHint?: string;
}

/** The state of a call in words; what a problem says is drawn elsewhere. */
export function wordsFor(s: CallSnapshot): Words {
  switch (s.status) {
    case "idle":
      if (s.offer) return { title: "Welcome back", hint: "Your conversation can go on where it was." };
      return { title: "Press to talk", hint: "Speak as you would to a person. Interrupt whenever you like." };
    case "connecting":
      return s.awaiting === "microphone"
        ? { title: "Waiting for the microphone", hint: "Allow it when your browser asks." }
        : { title: "Connecting", hint: "You may begin to speak; nothing you say gets lost." };
    case "listening":
      if (s.textOnly) return { title: "Ready", hint: "Type what you want to say." };
      if (s.talking) return { title: "Listening", hint: "Let go when you are done." };
      if (s.pushToTalk) return { title: "Hold to speak", hint: "Hold the circle while you speak.", keyboardHint: "Or the space bar." };
      if (s.muted) return { title: "Muted", hint: "The model cannot hear you. Press the circle to speak." };
      return { title: "Listening", hint: "Go ahead. Press the circle when you are done, for a faster answer." };
    case "thinking":
      return { title: "Thinking", hint: "The answer is on its way." };
    case "speaking":
      return {
        title: "Speaking",
        hint: s.pushToTalk && !s.textOnly ? "Hold the circle to interrupt." : s.textOnly || s.muted ? "Press the circle to interrupt." : "Just speak to interrupt.",
        keyboardHint: "Esc does it too.",
      };
    case "interrupted":
      return { title: "Interrupted", hint: s.talking ? "Go on, and let go when you are done." : "Go on, it is your turn." };
    case "ending":
      return { title: "Saying goodbye", hint: "The microphone is off." };
    case "ended":
      return { title: "Conversation ended", hint: "Press to start a new one." };
    case "failed":
      return { title: s.problem?.title ?? "Conversation ended", hint: "" };
  }
}

/**
 * What a screen reader says of the state. A conversation is heard: its turns are not announced, or the announcement
 * would talk at the same time as the model.
 */
export function announcementFor(s: CallSnapshot): string {
  switch (s.status) {
    case "idle":
      return s.offer ? "You can go on with your conversation." : "";
    case "failed": // the problem is an alert of its own
      return "";
    case "connecting":
    case "ending":
    case "ended":
      return wordsFor(s).title;
    case "listening":
    case "thinking":
    case "speaking":
    case "interrupted":
      if (s.textOnly) return "Ready. Type what you want to say.";
      if (s.pushToTalk) return "Ready. Hold the button or the space bar while you speak.";
      return s.muted ? "Muted. The model cannot hear you." : "Go ahead, the model can hear you.";
  }
}

/** What happened to the conversation last, as a line in its text says, while it is under way. */
export function happened(s: CallSnapshot): string {
  return isLive(s.status) ? (s.captions.findLast((x) => x.who === "notice")?.text ?? "") : "";
}

/** What the big button does now. */
export function actionFor(s: CallSnapshot): string {
  if (isHeld(s)) return s.talking ? "Listening, let go when done" : "Hold to speak";
  switch (s.status) {
    case "idle":
    case "ended":
    case "failed":
      if (s.offer) return offerWords(s.offer);
      return "Start talking";
    case "connecting":
      return "Cancel";
    case "thinking":
    case "speaking":
      return "Interrupt the answer";
    case "listening":
    case "interrupted":
      if (s.textOnly) return "Type a message";
      return s.muted ? "Unmute and speak" : "Done speaking, answer now";
    case "ending":
      return "Ending the conversation";
  }
}

/** The big button is held to speak. */
export function isHeld({ status, pushToTalk, textOnly }: CallSnapshot): boolean {
  return pushToTalk && !textOnly && isLive(status) && status !== "connecting";
}

/** How to go on with a conversation that is not under way. */
export function offerWords(offer: Offer): string {
  return offer === "continue" ? "Continue conversation" : "Take it back here";
}

export function noticeWords(notice: Notice): string {
  switch (notice.kind) {
    case "reconnecting":
      return "Reconnecting to the model. The conversation goes on in a moment.";
    case "resuming":
      return "Reconnecting. What you say is kept for a minute.";
    case "soundHeld":
      return "Your browser holds the sound back.";
    case "soundTaken":
      return "A telephone call or another program has the sound. Come back to this page when it is over.";
    case "microphoneHeld":
      return "Your device gives no sound from the microphone: it is muted there, or in use.";
    case "microphoneLost":
      return "The microphone was disconnected. You can go on by typing.";
    case "offline":
      return "Your device says that it is offline.";
    case "expiring":
      // The clock beside the logo says when.
      return "This conversation ends soon. Come to an end, or start a new one after it.";
    case "tool":
      return `Using ${notice.name}…`;
  }
}

/** Minutes and seconds, as on a clock. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = String(seconds % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

const hoursAndMinutes = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });

/** Hours and minutes of a time in Unix milliseconds, as the person's own clock shows them. */
export function timeOfDay(unixMs: number): string {
  return hoursAndMinutes.format(unixMs);
}

/** A language tag in the person's own language. */
export function languageName(tag: string): string {
  try {
    return new Intl.DisplayNames(undefined, { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
