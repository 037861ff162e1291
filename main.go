// Stonepot; the imports below hold the module graph until each package arrives.
package main

import (
	_ "cloud.google.com/go/vertexai/genai"
	_ "github.com/andybalholm/brotli"
	_ "github.com/fasthttp/websocket"
	_ "github.com/gofiber/contrib/websocket"
	_ "github.com/gofiber/fiber/v2"
	_ "github.com/segmentio/asm/base64"
	_ "github.com/spf13/viper"
	_ "github.com/valyala/fasthttp"
	_ "go.uber.org/goleak"
	_ "google.golang.org/genai"
	_ "golang.org/x/oauth2/google"
	_ "github.com/fsnotify/fsnotify"
	_ "github.com/HdrHistogram/hdrhistogram-go"
	_ "github.com/getkin/kin-openapi/openapi3"
	_ "github.com/go-viper/mapstructure/v2"
)

func main() {}
