package web_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/geokv/geokv/internal/client"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/web"
)

// What answers for a process without an API is read like the API.
func TestReadyHandlerAnswersAsTheAPI(t *testing.T) {
	var lacks error
	server := httptest.NewServer(web.ReadyHandler(func(context.Context) error { return lacks }))
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	lacks = fail.New(fail.Rebuilding, "region eu is being rebuilt")
	if err := c.Ready(t.Context()); fail.CodeOf(err) != fail.Rebuilding || err.Error() != lacks.Error() {
		t.Errorf("got %v, want %v", err, lacks)
	}
}
