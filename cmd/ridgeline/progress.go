package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress returns a function that draws a bar with the rate and the time left on w, and one that
// removes the bar. Both do nothing unless w is a terminal.
func progress(w io.Writer, what string) (step func(done, total int), clear func()) {
	if !onTerminal(w) {
		return nil, func() {}
	}
	var bar *progressbar.ProgressBar
	step = func(done, total int) {
		if bar == nil {
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
				progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(24))
		}
		_ = bar.Set(done) // a bar that cannot be drawn must not stop the work
	}
	return step, func() {
		if bar != nil {
			_ = bar.Clear()
		}
	}
}
