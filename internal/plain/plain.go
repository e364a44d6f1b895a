// Package plain keeps text that others wrote, the name of a model or a device, from being
// more than text where it is shown: control characters drive a terminal and make an SVG
// invalid, signs of Markdown and HTML become links and scripts, and a spreadsheet takes a
// cell that begins with = for a formula.
package plain

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bad reports whether a character must not be shown as it is: a control character, one
// that turns the direction of writing or cannot be seen, or no character at all.
func Bad(r rune) bool {
	switch {
	case r == utf8.RuneError, unicode.IsControl(r), r == '\u2028', r == '\u2029', r >= 0xFFFE && r <= 0xFFFF:
		return true
	case r == '\u200c', r == '\u200d': // joiners, which some scripts need
		return false
	}
	return unicode.Is(unicode.Cf, r)
}

// longest is how many characters a name may have: it stands in tables and file names.
const longest = 1000

// Name refuses a name that Check refuses, or that is longer than tables can hold.
func Name(what, s string) error {
	if n := utf8.RuneCountInString(s); n > longest {
		return fmt.Errorf("%s has %d characters, more than %d: shorten it", what, n, longest)
	}
	return Check(what, s)
}

// Clip is a text as messages quote it: the beginning, where it is long.
func Clip(s string) string {
	const most = 80
	if n := utf8.RuneCountInString(s); n > most {
		return string([]rune(s)[:most]) + fmt.Sprintf("… (%d characters)", n)
	}
	return s
}

// Check refuses a text of one line that holds a bad character. what is what the error
// calls it.
func Check(what, s string) error {
	if i := strings.IndexFunc(s, Bad); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return fmt.Errorf("%s holds the control character U+%04X: leave it out", what, r)
	}
	return nil
}

// Line makes one line of a text: white space becomes a blank, what is bad becomes �. It is
// for messages, which quote what they are about.
func Line(s string) string {
	fields := strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) && r != '\u00a0' || unicode.IsControl(r)
	})
	return Visible(strings.Join(fields, " "))
}

// Visible replaces what is bad by �, but for line breaks and tabs.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && Bad(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// markdown are the characters that Markdown may take for more than themselves. The
// backslash is one, or a text could bring its own before one of the others.
var markdown = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "]", `\]`, "`", "\\`")

// Markdown escapes a text so that Markdown shows it as it is: no emphasis, no cell border,
// no link, no HTML.
func Markdown(s string) string {
	s = markdown.Replace(Visible(s))
	if s != "" && strings.ContainsRune("#>+-=~", rune(s[0])) {
		s = `\` + s
	}
	return s
}

// Cell is a text as a cell of CSV: one that a spreadsheet would take for a formula, for it
// begins with = + - or @, gets an apostrophe in front. A number stays a number.
func Cell(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return s
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return s
	}
	return "'" + s
}
