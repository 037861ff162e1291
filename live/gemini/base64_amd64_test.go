package gemini

import "testing"

// decodesAtOnce is whether decodeFront has a way to decode.
var decodesAtOnce = hasVBMI

// eachWay runs f with each way to encode and decode that this processor has.
func eachWay(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	avx2, vbmi := hasAVX2, hasVBMI
	defer func() { hasAVX2, hasVBMI, decodesAtOnce = avx2, vbmi, vbmi }()
	f(t)
	if hasVBMI, decodesAtOnce = false, false; vbmi {
		f(t)
	}
	if hasAVX2 = false; avx2 {
		f(t)
	}
}
