package static

import "bytes"

// decodePath turns the path of a request, as it came, into the key of responses.routes, or says false when no file can have
// that name. It decodes percent signs once, into buf when it must. Because the result is only ever looked up in a
// closed table, no spelling of a path reaches the disk; refusing the odd ones keeps the table the only truth:
// broken escapes, control characters, backslashes, encoded slashes, empty and dot segments.
//
// The result points into raw or buf and is valid as long as they are.
func decodePath(buf, raw []byte) ([]byte, bool) {
	if len(raw) == 0 || raw[0] != '/' {
		return nil, false
	}
	path := raw
	if bytes.IndexByte(raw, '%') >= 0 {
		path = buf[:0]
		for i := 0; i < len(raw); i++ {
			c := raw[i]
			if c == '%' {
				if i+2 >= len(raw) {
					return nil, false
				}
				high, low := unhex(raw[i+1]), unhex(raw[i+2])
				if high < 0 || low < 0 {
					return nil, false
				}
				c = byte(high<<4 | low)
				if c == '/' {
					return nil, false
				}
				i += 2
			}
			path = append(path, c)
		}
	}
	return path, plainPath(path)
}

// plainPath says whether path has only ordinary segments; the last one may be empty (a folder).
func plainPath(path []byte) bool {
	start := 1
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			if c := path[i]; c < ' ' || c == 0x7f || c == '\\' {
				return false
			}
			continue
		}
		segment := path[start:i]
		if len(segment) == 0 && i < len(path) {
			return false
		}
		if string(segment) == "." || string(segment) == ".." {
			return false
		}
		start = i + 1
	}
	return true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// reserved says whether path belongs to the server and is never answered by a page, even when the front end has a
// file of that name or the handler was mounted too early.
func reserved(path []byte) bool {
	switch string(path) {
	case "/api", "/health", "/ready", "/metrics":
		return true
	}
	return bytes.HasPrefix(path, []byte("/api/"))
}
