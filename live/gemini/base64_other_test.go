//go:build !amd64

package gemini

import "testing"

const decodesAtOnce = false

// eachWay runs f: there is one way.
func eachWay(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	f(t)
}
