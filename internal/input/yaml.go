package input

import (
	"bytes"
	"fmt"
)

// MaxYAML is the size in bytes past which no YAML file is parsed: those people write are
// some kilobytes.
const MaxYAML = 1 << 20

// MaxNesting is how deep the brackets or the blocks of a YAML or JSON file may nest. Real
// ones are five deep, and a parser takes memory that grows with the square of the depth.
const MaxNesting = 64

// ReadYAML reads a YAML file whose size and nesting are safe to parse.
func ReadYAML(path string) ([]byte, error) {
	b, err := Read(path, MaxYAML)
	if err != nil {
		return nil, err
	}
	return b, CheckYAML(path, b)
}

// CheckYAML refuses what a YAML parser would choke on. name is what the error calls the
// file: "name:line: what is wrong".
func CheckYAML(name string, data []byte) error {
	if len(data) > MaxYAML {
		return tooLarge(name, MaxYAML)
	}
	if line, deep := tooNested(data); deep {
		return fmt.Errorf("%s:%d: nested more than %d deep", name, line, MaxNesting)
	}
	return nil
}

// tooNested finds the line on which brackets, or blocks by their indentation, nest too
// deep. It counts brackets in texts and comments too, which hold few.
func tooNested(data []byte) (line int, deep bool) {
	brackets := 0
	var indents []int // of the blocks that are open
	for len(data) > 0 {
		text, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		line++
		indent := len(text) - len(bytes.TrimLeft(text, " "))
		entries, colons := 0, 0 // that open on this line
		for i, c := range text {
			switch c {
			case '[', '{':
				brackets++
			case ']', '}':
				brackets = max(0, brackets-1)
			case '-', '?', ':':
				if i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t' || text[i+1] == '\r' {
					if c == ':' {
						colons++
					} else if len(bytes.Trim(text[:i], "-? \t")) == 0 {
						entries++
					}
				}
			}
			// A flow mapping has a colon per field: colons only bound the pathological.
			if brackets > MaxNesting || entries > MaxNesting || colons > 16*MaxNesting {
				return line, true
			}
		}
		if t := bytes.TrimSpace(text); brackets > 0 || len(t) == 0 || t[0] == '#' {
			continue
		}
		for len(indents) > 0 && indents[len(indents)-1] >= indent {
			indents = indents[:len(indents)-1]
		}
		if indents = append(indents, indent); len(indents)+entries > MaxNesting {
			return line, true
		}
	}
	return 0, false
}
