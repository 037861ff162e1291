import type { ReactNode, SVGProps } from "react";

export type IconProps = SVGProps<SVGSVGElement>;

/** A line icon; decorative, as every button that has one also has a name. */
export function Line({ children, ...props }: IconProps & { children: ReactNode }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      {...props}
    >
      {children}
    </svg>
  );
}

/** The mark: a pot with sound rising from it. */
export function Logo(props: IconProps) {
  return (
    <svg viewBox="0 0 24 24" fill="none" aria-hidden="true" {...props}>
      <path d="M3 11.500h18c0 6-3.200 9.500-9 9.500s-9-3.500-9-9.500Z" fill="currentColor" />
      <path d="M7.500 8.500V6M12 8.500V3M16.500 8.500V6" stroke="currentColor" strokeWidth={2.200} strokeLinecap="round" />
    </svg>
  );
}

export function MicrophoneIcon(props: IconProps) {
  return (
    <Line {...props}>
      <rect x="9" y="3" width="6" height="11" rx="3" />
      <path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3" />
    </Line>
  );
}

export function MicrophoneOffIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M15 9.500V6a3 3 0 0 0-5.700-1.300M9 9v2a3 3 0 0 0 4.600 2.500M5.500 11.500a6.500 6.500 0 0 0 10.400 5.200M18.500 11.500c0 .9-.2 1.700-.5 2.500M12 18v3M4 4l16 16" />
    </Line>
  );
}

/** Raised hand: "let me in". */
export function InterruptIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M8 12V5.500a1.500 1.500 0 0 1 3 0V11M11 10.500v-6a1.500 1.500 0 0 1 3 0V11M14 10.500V6a1.500 1.500 0 0 1 3 0v8.500c0 3.600-2.400 6.500-6 6.500-2.600 0-4.300-1.200-5.500-3.600L3.700 13.800a1.500 1.500 0 0 1 2.600-1.500L8 15" />
    </Line>
  );
}

export function EndIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M6 6l12 12M18 6 6 18" />
    </Line>
  );
}

export function SendIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M12 19V5M5.500 11.500 12 5l6.500 6.500" />
    </Line>
  );
}

export function KeyboardIcon(props: IconProps) {
  return (
    <Line {...props}>
      <rect x="2.500" y="6" width="19" height="12" rx="2.500" />
      <path d="M6.500 10h.01M10 10h.01M14 10h.01M17.500 10h.01M8 14h8" />
    </Line>
  );
}

export function ChevronIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="m6 9 6 6 6-6" />
    </Line>
  );
}

export function CopyIcon(props: IconProps) {
  return (
    <Line {...props}>
      <rect x="9" y="9" width="11" height="11" rx="2.500" />
      <path d="M5 15H4.500A1.500 1.500 0 0 1 3 13.500v-9A1.500 1.500 0 0 1 4.500 3h9A1.500 1.500 0 0 1 15 4.500V5" />
    </Line>
  );
}

export function SaveIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M12 4v11M7 10.500l5 5 5-5M5 20h14" />
    </Line>
  );
}

export function DownIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M12 5v14M5.500 12.500 12 19l6.500-6.500" />
    </Line>
  );
}

export function SettingsIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M4 7h9M17 7h3M4 17h3M11 17h9" />
      <circle cx="15" cy="7" r="2.200" />
      <circle cx="9" cy="17" r="2.200" />
    </Line>
  );
}
