// Verifies a log and a proof with the Go project's own packages for transparency logs.
// Arguments: a log's folder, its verifier key, a tlog-proof and the entry that it is about.
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

func open(text, vkey string) (int64, tlog.Hash) {
	verifier, err := note.NewVerifier(vkey)
	must(err)
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return size, root
}

type folder string

func (f folder) Height() int                         { return 8 }
func (f folder) SaveTiles(tiles []tlog.Tile, d [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles { // sumdb has the height in its names, C2SP has not
		name := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), name))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func main() {
	checkpoint, err := os.ReadFile(filepath.Join(os.Args[1], "checkpoint"))
	must(err)
	proof, err := os.ReadFile(os.Args[3])
	must(err)
	entry, err := os.ReadFile(os.Args[4])
	must(err)

	size, root := open(string(checkpoint), os.Args[2])
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, folder(os.Args[1]))
	found, err := tlog.TreeHash(size, reader)
	must(err)
	if found != root {
		must(fmt.Errorf("the tiles have the root %v", found))
	}

	parts := strings.SplitN(string(proof), "\n\n", 2)
	lines := strings.Split(parts[0], "\n")
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	must(err)
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		must(err)
		path = append(path, *(*tlog.Hash)(hash))
	}
	size, root = open(parts[1], os.Args[2])
	must(tlog.CheckRecord(path, size, root, index, tlog.RecordHash(entry)))
	fmt.Println("verified record", index, "of", size)
}
