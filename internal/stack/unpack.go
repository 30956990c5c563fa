package stack

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxUnpacked bounds one unpacked file: the archives are pinned, so this only
// keeps a mistake from filling the disk.
const maxUnpacked = 512 << 20

// unpack extracts the files of a tar.gz below dir.
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("entry %q leaves the directory", h.Name)
		}
		if err := writeFile(filepath.Join(dir, h.Name), r, 0o644); err != nil {
			return err
		}
	}
}

// unzipOne extracts the one entry whose name ends so.
func unzipOne(archive, suffix, path string, mode fs.FileMode) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, entry := range z.File {
		if !strings.HasSuffix(entry.Name, suffix) {
			continue
		}
		r, err := entry.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		return writeFile(path, r, mode)
	}
	return fmt.Errorf("no %s in %s", suffix, filepath.Base(archive))
}

func writeFile(path string, r io.Reader, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, maxUnpacked+1))
	if err == nil && n > maxUnpacked {
		err = errors.New("file is too large")
	}
	return errors.Join(err, f.Close())
}
