//go:build !amd64

package gemini

// encodeFront encodes nothing: encodeBase64 does it all.
func encodeFront([]byte, []byte, uint32) (written, read int) { return 0, 0 }

// decodeFront decodes nothing: the library does it all.
func decodeFront([]byte) (n int) { return 0 }
