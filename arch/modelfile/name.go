package modelfile

import (
	"path/filepath"
	"strings"
)

// Name names the model of a file: the file without its extension, or its directory
// where it is a config.json.
func Name(path string) string {
	base := filepath.Base(path)
	if base == "config.json" {
		if abs, err := filepath.Abs(path); err == nil {
			if dir := filepath.Base(filepath.Dir(abs)); dir != string(filepath.Separator) {
				return dir
			}
		}
	}
	return strings.TrimSuffix(base, filepath.Ext(base))
}
