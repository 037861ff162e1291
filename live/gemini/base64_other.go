//go:build !amd64

package gemini

import "github.com/segmentio/asm/base64"

// encodeBase64 writes pcm to dst, which has room for it.
func encodeBase64(dst, pcm []byte) { base64.StdEncoding.Encode(dst, pcm) }
