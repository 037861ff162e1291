// A relay as one writes it with Fiber, its WebSocket middleware, and the Live session of Google's Go SDK.
//
// PORT is where it listens, UPSTREAM (http://host:port, or https://) where the Live API is.
package main

import (
	"context"
	"log"
	"os"
	"strings"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"google.golang.org/genai"
)

const model = "gemini-3.8-live"

func main() {
	// The SDK makes wss:// of everything but ws://.
	client, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		Backend: genai.BackendGeminiAPI, APIKey: "benchmark",
		HTTPOptions: genai.HTTPOptions{BaseURL: strings.Replace(os.Getenv("UPSTREAM"), "http", "ws", 1)},
	})
	if err != nil {
		log.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/health", func(c *fiber.Ctx) error { return c.SendString("ok") })
	app.Get("/live", websocket.New(func(browser *websocket.Conn) {
		if err := relay(client, browser); err != nil {
			log.Print(err)
		}
	}))
	log.Fatal(app.Listen("127.0.0.1:" + os.Getenv("PORT")))
}

func relay(client *genai.Client, browser *websocket.Conn) error {
	if _, _, err := browser.ReadMessage(); err != nil { // start_session
		return err
	}
	session, err := client.Live.Connect(context.Background(), model, &genai.LiveConnectConfig{
		ResponseModalities: []genai.Modality{genai.ModalityAudio},
	})
	if err != nil {
		return err
	}
	done := make(chan struct{})
	defer func() { _ = session.Close(); <-done }()
	if err := browser.WriteMessage(websocket.TextMessage, []byte(`{"type":"session_ready"}`)); err != nil {
		close(done)
		return err
	}
	go func() {
		defer close(done)
		defer browser.Close() //nolint:errcheck // it is over
		speak(session, browser)
	}()
	for {
		kind, pcm, err := browser.ReadMessage()
		if err != nil {
			return nil // the browser has gone
		}
		if kind != websocket.BinaryMessage {
			continue
		}
		audio := &genai.Blob{MIMEType: "audio/pcm;rate=16000", Data: pcm}
		if err := session.SendRealtimeInput(genai.LiveRealtimeInput{Audio: audio}); err != nil {
			return err
		}
	}
}

// speak hands on what the model says until one side ends.
func speak(session *genai.Session, browser *websocket.Conn) {
	for {
		m, err := session.Receive()
		if err != nil {
			return
		}
		if m.ServerContent == nil || m.ServerContent.ModelTurn == nil {
			continue
		}
		for _, part := range m.ServerContent.ModelTurn.Parts {
			if part.InlineData == nil {
				continue
			}
			if err := browser.WriteMessage(websocket.BinaryMessage, part.InlineData.Data); err != nil {
				return
			}
		}
	}
}
