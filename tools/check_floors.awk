# Whether every #include goes down: awk -f tools/check_floors.awk FILE ...
#
# A folder of src/ includes itself and lower floors, never another folder on its own; a public header includes only
# headers of lower rank; kernels are loops over pointers and include nothing of ours but themselves; what comes from
# outside stays behind the one folder that wraps it. Paths are as seen from the root of the tree.
BEGIN {
    split("base 0 values 1 kernels 1 codec 2 dnn 2 graph 3 ops 4 sites 5 autodiff 5 layers 5 formats 5 plan 6 " \
          "runtime 7 saver 8 train 9 rewrite 10 doctor 11 cli 12", word, " ")
    for (i = 1; i in word; i += 2) floor[word[i]] = word[i + 1]
    # a public header: its rank among them, and the lowest floor whose sources may include it
    split("status 0 0 dtype 1 0 finding 1 0 array 2 1 checkpoint 3 8 graph 3 3 ops 4 4 arrays 5 4 nn 6 4 control 6 3 variables 7 3 gradients 8 3 batch_norm 9 5 losses 9 5 metrics 9 5 " \
          "layers 10 5 data 4 9 plot 4 9 records 3 2 events 4 9 summary 5 9 session 11 7 files 11 5 signatures 11 5 train 11 9 saver 12 8 rewrite 12 10 models 12 9 fit 13 9 saved_model 13 8 evenkeel 20 12", word, " ")
    for (i = 1; i in word; i += 3) { rank[word[i]] = word[i + 1]; lowest[word[i]] = word[i + 2] }
    split("oneapi dnn sleef.h kernels", word, " ")
    for (i = 1; i in word; i += 2) keeper[word[i]] = word[i + 1]
}
function complain(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why; bad = 1 }
FNR == 1 {
    n = split(FILENAME, part, "/")
    public = FILENAME ~ /include\/evenkeel\/[^\/]*\.h$/
    self = public ? part[n] : part[n - 1]
    sub(/\.h$/, "", self)
    if (!(public ? self in rank : self in floor)) { printf "%s: unknown to tools/check_floors.awk; give it a place there\n", FILENAME; bad = 1 }
}
match($0, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]*/) {
    target = substr($0, RSTART, RLENGTH); sub(/.*[<"]/, "", target)
    split(target, part, "/"); top = part[1]; leaf = part[2]; sub(/\.h$/, "", leaf)
    if (top in keeper && keeper[top] != self && !public) complain("only " keeper[top] "/ may")
    if (top == "evenkeel") {
        if (!(leaf in rank)) complain("no such public header")
        else if (public && rank[leaf] >= rank[self]) complain("a public header of no lower rank")
        else if (!public && lowest[leaf] > floor[self]) complain("belongs to floor " lowest[leaf] ", " self " is on " floor[self])
    } else if (top in floor) {
        if (public) complain("a public header includes public headers only")
        else if (top != self && self == "kernels") complain("kernels include nothing but themselves")
        else if (top != self && floor[top] >= floor[self]) complain(top " is on floor " floor[top] ", " self " on " floor[self])
    }
}
END { exit bad }
