package main

import (
	"encoding"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// comments finds what the source says of types and their fields.
type comments struct {
	packages map[string]map[string]*ast.TypeSpec
}

func (d *comments) spec(t *testing.T, of reflect.Type) *ast.TypeSpec {
	info, _ := debug.ReadBuildInfo()
	module := strings.TrimSuffix(reflect.TypeOf(arch.Model{}).PkgPath(), "/arch")
	dir, ours := strings.CutPrefix(of.PkgPath(), module+"/")
	if of.PkgPath() == "main" || info != nil && of.PkgPath() == info.Path {
		dir, ours = "cmd/ridgeline", true
	}
	if !ours || of.Name() == "" {
		return nil
	}
	if d.packages == nil {
		d.packages = map[string]map[string]*ast.TypeSpec{}
	}
	if d.packages[dir] == nil {
		types := map[string]*ast.TypeSpec{}
		d.packages[dir] = types
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range f.Decls {
				if g, ok := decl.(*ast.GenDecl); ok {
					for _, s := range g.Specs {
						if ts, ok := s.(*ast.TypeSpec); ok {
							types[ts.Name.Name] = ts
						}
					}
				}
			}
		}
	}
	return d.packages[dir][of.Name()]
}

// fields visits what a type is written as, depth first.
func (d *comments) fields(t *testing.T, of reflect.Type, path string, depth int, visit func(path, kind, doc string)) {
	d.structFields(t, of, nil, path, depth, visit)
}

func (d *comments) structFields(t *testing.T, of reflect.Type, inline *ast.StructType, path string, depth int, visit func(path, kind, doc string)) {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if depth > 8 {
		return
	}
	switch of.Kind() {
	case reflect.Slice, reflect.Array:
		if of.Elem().Kind() == reflect.Slice || elem(of).Kind() == reflect.Struct && !isText(elem(of)) {
			d.structFields(t, of.Elem(), inline, path+"[]", depth+1, visit)
		}
		return
	case reflect.Map:
		if v := elem(of); v.Kind() == reflect.Struct && !isText(v) {
			d.structFields(t, v, nil, path+".*", depth+1, visit)
		}
		return
	case reflect.Struct:
	default:
		return
	}
	st := inline
	if s := d.spec(t, of); s != nil {
		st, _ = s.Type.(*ast.StructType)
	}
	for i := range of.NumField() {
		f := of.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		node, doc := fieldOf(st, f.Name)
		var nested *ast.StructType
		if node != nil {
			nested, _ = node.Type.(*ast.StructType)
		}
		if f.Anonymous && name == "" { // its fields are written among the others
			d.structFields(t, f.Type, nil, path, depth, visit)
			continue
		}
		if name == "" {
			name = f.Name
		}
		if strings.Contains(opts, "omit") {
			doc = strings.TrimSpace("*optional.* " + doc)
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		visit(mark(f.Type, at), jsonKind(f.Type), doc)
		d.structFields(t, f.Type, nested, at, depth+1, visit)
	}
}

// mark adds what the path of a list's or a map's elements ends in.
func mark(of reflect.Type, path string) string {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case isText(of):
		return path
	case of.Kind() == reflect.Slice || of.Kind() == reflect.Array:
		return mark(of.Elem(), path+"[]")
	case of.Kind() == reflect.Map:
		return path + ".*"
	}
	return path
}

func elem(of reflect.Type) reflect.Type {
	e := of.Elem()
	for e.Kind() == reflect.Pointer {
		e = e.Elem()
	}
	return e
}

// fieldOf finds a field in the source, and what its comments say in one line.
func fieldOf(st *ast.StructType, name string) (*ast.Field, string) {
	if st == nil {
		return nil, ""
	}
	for _, f := range st.Fields.List {
		for _, n := range f.Names {
			if n.Name != name {
				continue
			}
			var said []string
			for _, g := range []*ast.CommentGroup{f.Doc, f.Comment} {
				if g != nil {
					said = append(said, strings.Join(strings.Fields(g.Text()), " "))
				}
			}
			doc := strings.Join(said, " ")
			for _, verb := range []string{" is ", " are ", " names ", " says "} { // as Go's comments begin
				if rest, ok := strings.CutPrefix(doc, name+verb); ok {
					doc = rest
				}
			}
			return f, doc
		}
	}
	return nil, ""
}

var (
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// isText says whether values of a type are written by a method of theirs: as text or a number.
func isText(of reflect.Type) bool {
	for _, i := range []reflect.Type{marshaler, textMarshaler} {
		if of.Implements(i) || reflect.PointerTo(of).Implements(i) {
			return true
		}
	}
	return false
}

func jsonKind(of reflect.Type) string {
	switch {
	case of.Kind() == reflect.Pointer:
		return jsonKind(of.Elem()) + " or null"
	case isText(of):
		return "text"
	}
	switch of.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true, false"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint64, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return "whole number"
	case reflect.Float64, reflect.Float32:
		return "number"
	case reflect.Slice, reflect.Array:
		return "list"
	case reflect.Map:
		return "object by name"
	case reflect.Struct:
		return "object"
	}
	return of.Kind().String()
}
