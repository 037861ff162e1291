import { Line, type IconProps } from "../icons";

export function CameraIcon(props: IconProps) {
  return (
    <Line {...props}>
      <rect x="2.500" y="6" width="13" height="12" rx="2.500" />
      <path d="m15.500 10.500 6-3.500v10l-6-3.500" />
    </Line>
  );
}

export function ScreenIcon(props: IconProps) {
  return (
    <Line {...props}>
      <rect x="2.500" y="4.500" width="19" height="12.500" rx="2.500" />
      <path d="M8.500 20.500h7M12 13.500V8m-2.500 2.300L12 7.800l2.500 2.500" />
    </Line>
  );
}

export function PauseIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M8.500 6v12M15.500 6v12" />
    </Line>
  );
}

export function GoOnIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="m8 5.500 10.500 6.500L8 18.500Z" />
    </Line>
  );
}

export function SwitchIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="M4 10a8.200 8.200 0 0 1 14.500-3.200L20 8.500m0-4.500v4.500h-4.500M20 14a8.200 8.200 0 0 1-14.500 3.200L4 15.500M4 20v-4.500h4.500" />
    </Line>
  );
}

export function StopIcon(props: IconProps) {
  return (
    <Line {...props}>
      <path d="m6.500 6.500 11 11m0-11-11 11" />
    </Line>
  );
}
