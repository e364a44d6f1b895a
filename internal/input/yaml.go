package input

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/OWNER/ridgeline/internal/plain"
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

// Decode reads a YAML document into what v points to; a field that v does not have is an
// error. name is what errors call the file.
func Decode(name string, data []byte, v any) (err error) {
	if err := CheckYAML(name, data); err != nil {
		return err
	}
	defer func() {
		// The decoder indexes past the end of an array that the file has more values for.
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: a list has more values than belong there", name)
			if text := fmt.Sprint(p); !strings.Contains(text, "array index") {
				err = fmt.Errorf("%s: the YAML parser gives up on this file: write it more plainly", name)
			}
		}
	}()
	if err := yaml.UnmarshalWithOptions(data, v, yaml.Strict()); err != nil {
		return YAMLError(name, err)
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

// YAMLMessage is what the YAML parser says is wrong, without the line, on one line.
func YAMLMessage(err yaml.Error) string {
	if what := plain.Line(err.GetMessage()); what != "non-map value is specified" {
		return what
	}
	return "a name, a colon and a value are wanted"
}

// ParseYAML parses a file into its tree. name is what errors call the file.
func ParseYAML(name string, data []byte) (f *ast.File, err error) {
	if err := CheckYAML(name, data); err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil { // the parser panics on some malformed files
			f, err = nil, fmt.Errorf("%s: not valid YAML", name)
		}
	}()
	if f, err = parser.ParseBytes(data, 0); err != nil {
		return nil, YAMLError(name, err)
	}
	return f, nil
}

// YAMLError words an error of the YAML parser for people who wrote the file: its name, the
// line, the field where it is known, and what is wanted there, on one line.
func YAMLError(name string, err error) error {
	var y yaml.Error
	if !errors.As(err, &y) {
		return fmt.Errorf("%s: %s", name, plain.Line(err.Error()))
	}
	line, found := 1, ""
	if t := y.GetToken(); t != nil {
		if t.Position != nil {
			line = t.Position.Line
		}
		found = clip(plain.Line(t.Value))
	}
	what := YAMLMessage(y)
	var mismatch *yaml.TypeError
	var overflow *yaml.OverflowError
	var node *yaml.UnexpectedNodeTypeError
	switch {
	case errors.As(err, &mismatch):
		what = wanted(mismatch.DstType) + " is wanted"
		if f := mismatch.StructFieldName; f != nil {
			_, field, _ := strings.Cut(*f, ".")
			what = snake(field) + ": " + what
		}
		what += ", not " + strconv.Quote(found)
	case errors.As(err, &overflow):
		what = strconv.Quote(found) + " is out of range"
	case errors.As(err, &node):
		what = fmt.Sprintf("a %s is wanted, not a %s", kind(node.Expected), kind(node.Actual))
	}
	return fmt.Errorf("%s:%d: %s", name, line, what)
}

// wanted names what a value of a type is written as.
func wanted(t reflect.Type) string {
	if t == nil {
		return "another value"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct, reflect.Interface:
		return "a mapping of names to values"
	}
	return "a number"
}

// kind names a piece of YAML.
func kind(n ast.NodeType) string {
	switch n {
	case ast.MappingType, ast.MappingValueType:
		return "mapping"
	case ast.SequenceType:
		return "list"
	case ast.NullType:
		return "missing value"
	}
	return "single value"
}

// snake is the name of a field as files write it: MemoryBandwidth is memory_bandwidth.
func snake(s string) string {
	var b strings.Builder
	low := false
	for _, r := range s {
		if unicode.IsUpper(r) && low {
			b.WriteByte('_')
		}
		low = unicode.IsLower(r) || unicode.IsDigit(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// clip shortens what an error quotes.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
