import { useEffect, useRef, useState } from "react";
import { chime, listen } from "@/hooks/sound-test";
import { useDevices, type DeviceChoice } from "@/hooks/use-devices";
import type { Settings } from "@/settings/settings";
import type { Call } from "@/voice/call";
import { Group, Select, TestButton } from "./fields";

interface DeviceSettingsProps {
  call: Call;
  /** The conversation has the microphone; its level is shown. */
  inCall: boolean;
  settings: Settings;
  onChange: (part: Partial<Settings>) => void;
}

/** Which microphone and speaker, and whether they work. */
export function DeviceSettings({ call, inCall, settings, onChange }: DeviceSettingsProps) {
  const { devices, look } = useDevices();
  const [trying, setTrying] = useState(false);
  const [refused, setRefused] = useState(false);
  const [playing, setPlaying] = useState(false);
  const play = (): void => {
    setPlaying(true);
    void chime(settings.speaker).finally(() => setPlaying(false));
  };
  const shown = inCall || trying;
  return (
    <Group title="Sound">
      <Select
        label="Microphone"
        value={settings.microphone}
        options={withSystem(devices.microphones)}
        onChange={(microphone) => onChange({ microphone })}
      />
      <div className="flex min-h-11 items-center gap-3">
        {!inCall && (
          <TestButton
            onPress={() => {
              setRefused(false);
              setTrying(!trying);
            }}
          >
            {trying ? "Stop the test" : "Test the microphone"}
          </TestButton>
        )}
        {shown && (
          <LevelMeter
            // Another device is another test.
            key={`${inCall} ${settings.microphone}`}
            open={inCall ? async () => ({ read: () => call.levels.microphone, close: () => undefined }) : () => listen(settings.microphone)}
            onOpened={look}
            onRefused={() => {
              setTrying(false);
              setRefused(true);
            }}
          />
        )}
      </div>
      <p role="status" className="text-sm text-danger empty:hidden">
        {refused && "Your browser did not give the microphone. Allow it with the icon beside the address."}
      </p>
      {devices.speakers.length > 0 && (
        <Select
          label="Speaker"
          value={settings.speaker}
          options={withSystem(devices.speakers)}
          onChange={(speaker) => onChange({ speaker })}
        />
      )}
      <TestButton onPress={play} disabled={playing}>
        Play a sound
      </TestButton>
    </Group>
  );
}

function withSystem(devices: readonly DeviceChoice[]): (readonly [string, string])[] {
  return [["", "The system's choice"], ...devices.map((x) => [x.id, x.name] as const)];
}

interface LevelSource {
  read: () => number;
  close: () => void;
}

interface LevelMeterProps {
  open: () => Promise<LevelSource>;
  onOpened: () => void;
  onRefused: () => void;
}

/** How often assistive technology is told a number. */
const tellMs = 500;

/** A level, drawn without React. */
function LevelMeter({ open, onOpened, onRefused }: LevelMeterProps) {
  const meter = useRef<HTMLDivElement>(null);
  // What it was given when it appeared; the next test is another meter.
  const given = useRef({ open, onOpened, onRefused });
  useEffect(() => {
    let source: LevelSource | undefined;
    let over = false;
    let frame = 0;
    let told = 0;
    const draw = (time: number): void => {
      const level = source?.read() ?? 0;
      const loudness = Math.min(1, Math.max(0, (20 * Math.log10(level + 1e-6) + 60) / 60));
      const bar = meter.current?.firstElementChild as HTMLElement | null | undefined;
      if (bar) bar.style.transform = `scaleX(${loudness})`;
      if (time - told > tellMs) {
        told = time;
        meter.current?.setAttribute("aria-valuenow", String(Math.round(loudness * 100)));
      }
      frame = requestAnimationFrame(draw);
    };
    given.current.open().then(
      (opened) => {
        if (over) return opened.close();
        source = opened;
        given.current.onOpened();
        frame = requestAnimationFrame(draw);
      },
      () => {
        if (!over) given.current.onRefused();
      },
    );
    return () => {
      over = true;
      cancelAnimationFrame(frame);
      source?.close();
    };
  }, []);
  return (
    <div
      ref={meter}
      role="meter"
      aria-label="Level of the microphone"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
      className="h-3 min-w-0 flex-1 overflow-hidden rounded-full bg-sunken"
    >
      <div className="size-full origin-left scale-x-0 rounded-full bg-leaf" />
    </div>
  );
}
