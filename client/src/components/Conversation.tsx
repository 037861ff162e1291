import { useEffect, useRef } from "react";
import { useCall } from "@/hooks/use-call";
import { useSettings, useTheme } from "@/hooks/use-settings";
import { useTalkKeys } from "@/hooks/use-talk-keys";
import { wishes } from "@/settings/wishes";
import { isLive } from "@/voice/state";
import { CaptionList } from "./CaptionList";
import { CaptionTools } from "./CaptionTools";
import { Composer } from "./Composer";
import { Controls } from "./Controls";
import { Details } from "./Details";
import { Logo } from "./icons";
import { InspectorDock } from "./inspector/InspectorDock";
import { OfferButtons } from "./OfferButtons";
import { ProblemCard } from "./ProblemCard";
import { Quality } from "./Quality";
import { SettingsButton } from "./SettingsButton";
import { TalkButton } from "./TalkButton";
import { Timer } from "./Timer";
import { announcementFor, happened, noticeWords, wordsFor } from "./words";

/** The whole page: a stage with the button, and beside or below it what was said. */
export function Conversation() {
  const { call, snapshot, config } = useCall();
  const settings = useSettings();
  useTheme(settings.theme);
  const { status, notice, problem } = snapshot;
  const live = isLive(status);
  // Without captions there is only the text box, and that while there is somebody to write to.
  const talked = live || (settings.captions && snapshot.captions.length > 0);
  const beside = talked && settings.captions;
  const simulated = snapshot.session?.readySince !== undefined ? snapshot.session.simulated : config?.simulated;
  const words = wordsFor(snapshot);

  useTalkKeys(call);
  const start = (): void => call.start({ microphone: true, config: wishes(settings, config) });
  const startWriting = (): void => call.start({ microphone: false, config: wishes({ ...settings, pushToTalk: false }, config) });

  const stage = useRef<HTMLDivElement>(null);
  const type = (): void => stage.current?.querySelector<HTMLElement>("[data-composer]")?.focus();
  // A control that had the focus may be gone with the conversation, or "Type instead" with the problem: whoever works
  // with the keyboard goes on at the next one, and not at the top of the page.
  const over = status === "ended" || status === "failed";
  const toType = live && status !== "connecting" && snapshot.textOnly;
  useEffect(() => {
    if (document.activeElement !== document.body) return;
    if (over) stage.current?.querySelector<HTMLElement>("[data-talk]")?.focus();
    else if (toType) stage.current?.querySelector<HTMLElement>("[data-composer]")?.focus();
  }, [over, toType]);

  return (
    <div
      ref={stage}
      data-status={status}
      data-muted={snapshot.muted}
      data-talking={snapshot.talking}
      data-compact={beside}
      className="flex h-dvh min-h-90 flex-col overflow-hidden"
    >
      <header className="flex h-14 shrink-0 items-center justify-between gap-2 px-5 low:h-11 wide:px-8">
        <p className="flex items-center gap-2.5 font-semibold tracking-tight">
          <Logo className="size-6 text-ember" /> <span className={live ? "max-[22rem]:sr-only" : ""}>Stonepot</span>
        </p>
        <div className="flex shrink-0 items-center gap-2 sm:gap-3">
          <Quality call={call} live={live} />
          <Timer session={snapshot.session} />
          <Details call={call} snapshot={snapshot} />
          <SettingsButton call={call} snapshot={snapshot} offer={config} />
        </div>
      </header>

      <main className="flex min-h-0 flex-1 flex-col">
        <h1 className="sr-only">Talk with the model</h1>
        {/* Before the server has answered, and where it is not simulated, its place is kept: nothing moves under a finger. */}
        {(simulated || !talked) && (
          <p data-banner={simulated ? "simulated" : undefined} className={`${simulated ? "" : "invisible"} mx-5 shrink-0 self-center rounded-2xl bg-sunken px-4 text-center text-sm text-balance text-muted ${talked ? "mb-1 py-1 sm:mb-3 sm:py-2 low:mb-1 low:py-1 short:hidden" : "mb-3 py-2"}`}>
            <strong className="font-semibold text-ink">Simulated model.</strong>{" "}
            {/* It was to be read before the conversation; a phone has better use for the line then. */}
            <span className={talked ? "max-sm:sr-only low:sr-only" : ""}>No key is set up: you hear your own words again.</span>
          </p>
        )}
        <div className={`flex min-h-0 flex-1 flex-col ${beside ? "wide:grid wide:grid-cols-[1fr_minmax(20rem,30rem)] wide:gap-8 wide:px-8 wide:pb-8 wide:short:grid-cols-2 wide:short:gap-4 wide:short:px-5 wide:short:pb-2" : ""}`}>
          <section
            aria-label="Call"
            className={`relative flex flex-col items-center justify-center-safe gap-4 low:gap-2 overflow-y-auto px-5 py-3 low:py-2 short:px-2 wide:min-h-0 wide:flex-1 wide:gap-6 wide:low:gap-2 ${beside ? "shrink-0" : `min-h-0 flex-1 ${talked ? "" : "pb-16"}`}`}
          >
            <TalkButton call={call} snapshot={snapshot} onStart={start} onType={type} />
            <p role="status" className="sr-only">
              {announcementFor(snapshot)}
            </p>
            {/* Where captions are read out as they come, the line among them is too. */}
            <p role="status" data-happened className={settings.captions ? "sr-only" : "text-center text-sm text-balance text-muted empty:hidden"}>
              {settings.captions && snapshot.textOnly ? "" : happened(snapshot)}
            </p>
            {status === "failed" && problem ? (
              <ProblemCard call={call} problem={problem} sessionId={snapshot.session?.id} offer={snapshot.offer} onType={startWriting} onStart={start} />
            ) : (
              <div className="max-w-sm text-center">
                <p className="text-2xl font-semibold tracking-tight" data-state>
                  {words.title}
                </p>
                <p className={`mt-1.5 leading-relaxed text-pretty text-muted ${talked ? "short:hidden" : ""}`}>
                  {words.hint} {words.keyboardHint && <span className="pointer-coarse:hidden">{words.keyboardHint}</span>}
                </p>
                {status === "idle" && snapshot.offer && <OfferButtons call={call} offer={snapshot.offer} />}
              </div>
            )}
            <div role="status" className="empty:hidden">
              {notice && (
                <p data-notice={notice.kind} className="rounded-xl bg-sunken px-4 py-2 text-center text-sm text-balance">
                  {noticeWords(notice)}{" "}
                  {(notice.kind === "soundHeld" || notice.kind === "soundTaken") && (
                    <button type="button" onClick={() => call.resumeSound()} className="font-semibold underline underline-offset-2">
                      Turn it on
                    </button>
                  )}
                </p>
              )}
            </div>
            <Controls call={call} snapshot={snapshot} offer={config} />
          </section>

          {talked && (
            <section
              aria-label="Conversation text"
              className={`flex flex-col rounded-t-3xl border border-b-0 border-line bg-surface wide:rounded-3xl wide:border-b ${beside ? "min-h-0 flex-1" : "w-full shrink-0 wide:mb-6 wide:max-w-xl wide:self-center"}`}
            >
              {settings.captions && <CaptionTools captions={snapshot.captions} session={snapshot.session} />}
              {settings.captions && <CaptionList captions={snapshot.captions} announce={snapshot.textOnly} />}
              {live && <Composer call={call} enabled={status !== "connecting"} />}
            </section>
          )}
        </div>
      </main>
      <InspectorDock />
    </div>
  );
}
