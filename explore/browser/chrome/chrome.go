// Package chrome starts a real browser for tests and gathers what pages log and ask for. It is
// of this module so that ridgeline does not depend on one.
package chrome

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Open starts the browser and closes it with the test, or after limit; a machine without one
// skips the test.
func Open(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium here: apt-get install chromium")
	}
	// A browser may still write as it goes: what of its profile is left then is no failure.
	profile, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(profile))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Skipf("%s does not start here: %v", path, err)
	}
	ctx, cancelTime := context.WithTimeout(ctx, limit)
	t.Cleanup(cancelTime)
	return ctx
}

// Said gathers what the page logs and asks for. Read it with the lock held.
type Said struct {
	sync.Mutex
	Console  []string
	Requests []string
}

// Listen gathers from now on.
func Listen(ctx context.Context) *Said {
	l := &Said{}
	chromedp.ListenTarget(ctx, func(ev any) {
		l.Lock()
		defer l.Unlock()
		switch ev := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			for _, a := range ev.Args {
				l.Console = append(l.Console, string(ev.Type)+": "+string(a.Value))
			}
		case *runtime.EventExceptionThrown:
			l.Console = append(l.Console, ev.ExceptionDetails.Error())
		case *network.EventRequestWillBeSent:
			l.Requests = append(l.Requests, ev.Request.URL)
		}
	})
	return l
}
