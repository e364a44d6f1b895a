package sweep

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strings"
)

// mark is the first line of a shard's file. It says which rows of which grid the file has. The
// file of a whole grid has no mark.
type mark struct {
	Grid string `json:"grid"`
	Rows int    `json:"rows"` // number of rows of the whole grid
	From int    `json:"from"`
	To   int    `json:"to"`
	// Figures is how many numbers end each row of a Table. For a grid the number follows from its
	// columns.
	Figures int `json:"figures,omitempty"`
}

// end is the last line of a shard's file: its presence says that the file is whole, and it holds
// the number of rows and their digest. Merge needs it, because a row left out by a constraint
// looks like a row that was lost.
type end struct {
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"` // first 16 hexadecimal digits of the hash of the lines between the header and this line
}

// The texts that the marks begin with. In CSV they are comments.
const (
	csvMark   = "# ridgeline sweep "
	csvEnd    = "# ridgeline sweep end "
	jsonMark  = `{"ridgeline_sweep":`
	jsonEnd   = `{"ridgeline_sweep_end":`
	jsonClose = "}"
)

func (m mark) line(f Format) string { return markLine(f, csvMark, jsonMark, m) }
func (e end) line(f Format) string  { return markLine(f, csvEnd, jsonEnd, e) }

func markLine(f Format, csv, jsonl string, v any) string {
	b, _ := json.Marshal(v)
	if f == CSV {
		return csv + string(b) + "\n"
	}
	return jsonl + string(b) + jsonClose + "\n"
}

// isEnd reports whether a line was written by end.line, or is the beginning of such a line.
func isEnd(f Format, line []byte) bool {
	if f == CSV {
		return bytes.HasPrefix(line, []byte(csvEnd))
	}
	return bytes.HasPrefix(line, []byte(jsonEnd))
}

// readMark reads the first line of a shard.
func readMark(f Format, line []byte) (m mark, ok bool) {
	return m, unmark(f, csvMark, jsonMark, line, &m) && m.From >= 0 && m.To > m.From && m.Rows >= m.To && m.Rows <= MaxRows && m.Figures >= 0
}

// readEnd reads the last line of a shard.
func readEnd(f Format, line []byte) (e end, ok bool) {
	return e, unmark(f, csvEnd, jsonEnd, line, &e)
}

func unmark(f Format, csv, jsonl string, line []byte, v any) bool {
	text, ok := strings.CutSuffix(string(line), "\n")
	if !ok {
		return false // the line was cut off in the middle
	}
	if f == CSV {
		text, ok = strings.CutPrefix(text, csv)
	} else if text, ok = strings.CutPrefix(text, jsonl); ok {
		text, ok = strings.CutSuffix(text, jsonClose)
	}
	return ok && json.Unmarshal([]byte(text), v) == nil
}

// digest returns the hash of a shard's rows as its last line has it.
func digest(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:8]) }

// tee writes rows to a file and adds them to their hash.
type tee struct {
	w io.Writer
	h hash.Hash
}

func (t tee) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	t.h.Write(b[:n])
	if err != nil {
		return n, fmt.Errorf("writing rows: %w", err)
	}
	return n, nil
}
