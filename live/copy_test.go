package live

import (
	"bytes"
	"testing"
)

// TestCopyFar_isCopy for every length and every place in memory, and writes nothing else.
func TestCopyFar_isCopy(t *testing.T) {
	src := make([]byte, 2*chunkSize)
	for i := range src {
		src[i] = byte(i*7 + i>>8)
	}
	for at := range 130 {
		for _, n := range []int{0, 1, 63, 640, 2047, 2048, 2111, 2112, 2113, 2175, 2176, 2177, 3200, chunkSize - 130} {
			for _, room := range []int{n, n - 1, n + 1, n / 2} {
				dst := bytes.Repeat([]byte{'!'}, chunkSize+2)
				from, to := src[at*3:][:n], dst[at:][:max(room, 0)]
				want := bytes.Clone(dst)
				if got, n := copyFar(to, from), copy(want[at:][:max(room, 0)], from); got != n || !bytes.Equal(dst, want) {
					t.Fatalf("%d bytes into %d at %d: %d copied, not %d, or others than these", len(from), room, at, got, n)
				}
			}
		}
	}
}
