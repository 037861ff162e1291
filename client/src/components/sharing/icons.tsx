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
