#!/usr/bin/perl
# make mutants: do the tests notice when the code is changed? See docs/testing.md.
#
#   mutants.pl [--part NAME]... [--file FILE]... [--count N] [--seed S] [--again]
#   mutants.pl --quick [--tests GLOB]... ...
#   mutants.pl --mutant ID [--show]
#   mutants.pl --list [--part NAME] [--file FILE]
#
# A mutant is the source of one file with one small change (Mutations.pm). It is
# compiled, linked with the unit tests that execute the changed line, and run: a test
# that fails, or does not end, has killed it. First as release object without
# sanitizers, which is compiled in any case and runs several times as fast; what
# survives that runs again with them. From what build/<variant> holds, which the
# Makefile has brought up to date. --again judges the survivors of the last run only.
#
# --quick asks no coverage which tests execute a line: those that --tests names do, in
# that order (ext2/test_dirs, 'fat/*'). It leaves out the sanitizers and the simulations
# as well. More survive then, never fewer.
use strict;
use warnings;
use Cwd ();
use File::Basename qw(basename dirname);
use File::Path qw(make_path remove_tree);
use Getopt::Long;
use POSIX ();
BEGIN { unshift @INC, dirname(Cwd::realpath($0)) }
use Mutations;

my $root = $ENV{MUTANTS_ROOT} || dirname(dirname(dirname(Cwd::realpath($0))));
chdir $root or die "$root: $!\n";
$root = Cwd::getcwd();
my $build = $ENV{BUILD} || 'build';
my $here = 'tools/mutants';
my $work = "$build/mutants";
my ($count, $seed, $jobs, $show, $list, $again, $wanted) = (200, 1, 2, 0, 0, 0, '');
my @variants = qw(host asan); # in this order

my ($quick, @part_names, @files, @globs);
my @chosen; # parts
GetOptions('part=s' => \@part_names, 'file=s' => \@files, 'count=i' => \$count,
    'seed=i' => \$seed, 'jobs=i' => \$jobs, 'mutant=s' => \$wanted,
    'show' => \$show, 'list' => \$list, 'again' => \$again,
    'quick' => \$quick, 'tests=s' => \@globs) or exit 2;
die "--tests is for --quick\n" if @globs && !$quick;
@globs = ('*/test_*') if !@globs;
@variants = ('host') if $quick;
# What is compiled here is compiled once: no use to a compiler's cache.
$ENV{CCACHE_DISABLE} = 1;
$ENV{LC_ALL} = 'C';
$ENV{TSAN_OPTIONS} = 'die_after_fork=0';
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
$| = 1;

sub slurp {
    my ($name) = @_;
    open my $in, '<', $name or die "$name: $!\n";
    local $/;
    my $text = <$in>;
    return defined $text ? $text : '';
}

sub spit {
    my ($name, $text) = @_;
    make_path(dirname($name));
    open my $out, '>', $name or die "$name: $!\n";
    print $out $text;
    close $out or die "$name: $!\n";
}

sub newer { # is $file newer than all of the others?
    my ($file, @others) = @_;
    return 0 if !-e $file;
    my $time = (stat _)[9];
    return !grep { !-e $_ || (stat _)[9] > $time } @others;
}

# ---- Parts, and what is accepted ---------------------------------------------

# parts.txt: name, bar in percent, directories.
sub read_parts {
    my @parts;
    for (split /\n/, slurp("$here/parts.txt")) {
        next if /^\s*(#|$)/;
        my ($name, $bar, @directories) = split;
        push @parts, {name => $name, bar => $bar, directories => \@directories};
    }
    return @parts;
}

sub sources_of {
    my ($part) = @_;
    return sort split /\n/, `find @{$part->{directories}} -name "*.c"`;
}

sub accepted_key {
    my ($file, $function, $before, $after) = @_;
    return join "\n", basename($file), $function, $before, $after;
}

# accepted.txt: paragraphs of "file function", "- line", "+ line", reason. Found again
# by what they say, so lines and directories may change.
sub read_accepted {
    my %accepted;
    my $text = -e "$here/accepted.txt" ? slurp("$here/accepted.txt") : '';
    $text =~ s/^#.*\n//gm;
    for (split /\n\s*\n/, $text) {
        s/^\s+|\s+$//g;
        next if $_ eq '';
        my ($place, $before, $after, @reason) = split /\n/;
        my ($file, $function) = split ' ', $place;
        die "accepted.txt: not file, -, +, reason:\n$_\n"
            if !@reason || $before !~ s/^- // || $after !~ s/^\+ ?//;
        my $key = accepted_key($file, $function, $before, $after);
        $accepted{$key} = {place => $place, before => $before, after => $after};
    }
    return \%accepted;
}

# ---- How things are compiled and linked: asked of make ------------------------

my (%compile, %link);
my $pages_limit = 0x60000; # 1.5 GiB
my $log_limit = 64 << 20;

sub read_commands {
    my @names = map { s{^tests/unit/(.*)\.c$}{$1}r }
        map { glob "tests/unit/$_.c" } @globs;
    die "no such test: @globs\n" if !@names;
    my @programs = map { my $name = $_; map { "$build/$_/unit/$name" } @variants } @names;
    my @sims = map { s{^tests/sim/sim_(.*)\.c$}{$build/sim/$1}r }
        glob 'tests/sim/sim_*.c';
    my $text = `make -n -B V=1 BUILD=$build @programs @sims host metal 2>/dev/null`;
    $text =~ s/\\\n\s*/ /g;
    for (split /\n/, $text) {
        $compile{$1} = $_ if / -c \S+\.c -o (\S+\.o)\s*$/;
        $link{$1} = $_ if /-Wl,--start-group .* -o (\S+)\s*$/;
    }
    die "make names no command to compile with\n" if !%compile;
    return @names;
}

# Does it succeed? The mutant may be no program; any other failure is one of ours.
sub build_with {
    my ($command, $log) = @_;
    return 1 if system('sh', '-c', "$command >$log 2>&1") == 0;
    my $why = slurp($log);
    die "$command\n$why" if $why !~ /: error:|undefined reference/;
    return 0;
}

# Compile $source, a changed copy of $file, as $object is compiled.
sub compile_as {
    my ($object, $file, $source, $out, $more) = @_;
    my $command = $compile{$object} or die "no command for $object\n";
    my $directory = dirname($file);
    $command =~ s/ -c \S+ -o \S+\s*$/ -iquote $directory -w $more -c $source -o $out/;
    return build_with($command, "$out.log");
}

# ---- Which test executes which line -------------------------------------------

# Numbers of a process or of one of its threads: state, CPU time in ticks with that of
# children that have ended, and pages in memory.
sub numbers_of {
    my ($directory) = @_;
    open my $in, '<', "$directory/stat" or return ('X', 0, 0);
    my $line = <$in>;
    return ('X', 0, 0) if !defined $line;
    my @field = split ' ', $line =~ s/^.*\) //r;
    return ($field[0], $field[11] + $field[12] + $field[13] + $field[14], $field[21]);
}

# A process with those that it has started: CPU time, pages, and whether all of them rest.
# One that would run, if others let it, does not rest, nor does one that is stopped.
sub use_of {
    my ($pid) = @_;
    my ($ticks, $pages, $rests) = (0, 0, 1);
    my @processes = ($pid);
    for my $process (@processes) {
        my (undef, $own_ticks, $own_pages) = numbers_of("/proc/$process");
        $ticks += $own_ticks;
        $pages += $own_pages;
        for my $thread (glob "/proc/$process/task/*") {
            my ($state) = numbers_of($thread);
            $rests = 0 if $state =~ /[RTt]/;
            open my $in, '<', "$thread/children" or next;
            push @processes, split ' ', <$in> // '';
        }
    }
    return ($ticks, $pages, $rests);
}

# Has a test failed, by what has come to the log behind $$at?
sub has_failed {
    my ($log, $at) = @_;
    open my $in, '<', $log or return 0;
    seek $in, $$at, 0;
    local $/;
    my $text = <$in>;
    return 0 if !defined $text || $text !~ /\n/;
    $$at += rindex($text, "\n") + 1;
    return $text =~ /^\[  FAILED  \]/m;
}

# Waits for a process, in steps that grow to a tenth of a second. Returns its status, or
# 'time' when it had to be killed: it rests for $idle_limit seconds, or lives for
# $limit, or fills the memory or the disk. What is counted is steps: a machine
# that stands still for a while, or has other things to do, does not make it late.
# With $is_enough the first test of the program that fails ends it.
sub await {
    my ($pid, $log, $idle_limit, $limit, $is_enough) = @_;
    my ($step, $lived, $idle, $used, $read) = (0.005, 0, 0, -1, 0);
    my $status;
    while (waitpid($pid, POSIX::WNOHANG()) != $pid) {
        if ($is_enough && has_failed($log, \$read)) {
            kill 'KILL', -$pid;
            waitpid $pid, 0;
            return 1;
        }
        select undef, undef, undef, $step;
        $lived += $step;
        my ($cpu, $pages, $rests) = use_of($pid);
        $idle = $rests && $cpu == $used ? $idle + $step : 0;
        $used = $cpu;
        $step = $step * 1.5 > 0.1 ? 0.1 : $step * 1.5;
        next if $idle < $idle_limit && $lived < $limit &&
            $pages < $pages_limit && (-s $log || 0) < $log_limit;
        kill 'KILL', -$pid;
        waitpid $pid, 0;
        return 'time';
    }
    $status = $?;
    kill 'KILL', -$pid; # children that outlive it
    return ($status & 127) == 24 ? 'time' : $status; # SIGXCPU: its limit of CPU time
}

# Runs a program with limits in seconds: CPU time, rest, and life; and whether one test
# that fails is enough. Returns its exit status or 'time', and the real and CPU seconds.
sub run_program {
    my ($command, $log, $limits, %environment) = @_;
    my ($cpu_limit, $idle_limit, $limit, $is_enough) = @$limits;
    my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());
    my ($start, undef, undef, $user, $system) = POSIX::times();
    my $pid = fork();
    die "fork: $!\n" if !defined $pid;
    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        @ENV{keys %environment} = values %environment;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;
        exec("sh", "-c",
            # One at a time: a plain sh takes no more. Files with holes are large.
            "ulimit -c 0 && ulimit -S -t $cpu_limit && ulimit -f 4200000 && " .
            "exec $command") or POSIX::_exit(127);
    }
    my $status = await($pid, $log, $idle_limit, $limit, $is_enough);
    my ($end, undef, undef, $user2, $system2) = POSIX::times();
    my $cpu = ($user2 + $system2 - $user - $system) / $ticks;
    return ($status, ($end - $start) / $ticks, $cpu);
}

# What a test of a variant takes without any mutant: real and CPU seconds. Measured when
# it is first asked for.
sub took {
    my ($name, $variant) = @_;
    my $program = "$build/$variant/unit/$name";
    my $kept = "$work/took/$variant/$name";
    if (!newer($kept, $program)) {
        make_path(dirname($kept));
        my ($status, $real, $cpu) = run_program($program, "$kept.$$.log",
            [300, 300, 300]);
        die "$program fails without any mutant (status $status): $kept.$$.log\n"
            if $status;
        unlink "$kept.$$.log";
        spit("$kept.$$", "$real $cpu\n");
        rename "$kept.$$", $kept;
    }
    return split ' ', slurp($kept);
}

# Runs one test, plainly and counting, and writes what it takes and executes.
sub make_map {
    my ($name) = @_;
    my $text = join(' ', 'took', took($name, $variants[0])) . "\n";
    my $counts = Cwd::realpath($work) . "/counts/$name";
    my $strip = () = "$root/" =~ m{/+[^/]}g;
    remove_tree($counts);
    make_path($counts, dirname("$work/map/$name"));
    run_program("$build/cov/unit/$name", "$counts/log", [300, 300, 300],
        GCOV_PREFIX => $counts, GCOV_PREFIX_STRIP => $strip);
    my @counted = split /\n/, `find $counts -name '*.gcda'`;
    for (@counted) {
        my $notes = s/\.gcda$/.gcno/r;
        symlink $root . substr($notes, length $counts), $notes;
    }
    my ($source, %done, %code);
    for (@counted ? split /\n/, `gcov -t @counted 2>/dev/null` : ()) {
        if (/^ *-: +0:Source:(.*)/) {
            $source = $1;
        } elsif (/^ *([0-9]+|#####|=====)\*?: *([0-9]+):/) {
            my ($times, $line) = ($1, $2);
            $code{$source}{$line} = 1;
            $done{$source}{$line} = 1 if $times =~ /[0-9]/;
        }
    }
    for my $file (sort keys %code) {
        next if $file !~ /\.c$/ || $file =~ m{^(tests|/)};
        $text .= join(' ', 'code', $file, sort { $a <=> $b } keys %{$code{$file}}) . "\n";
        $text .= join(' ', 'done', $file, sort { $a <=> $b } keys %{$done{$file}}) . "\n";
    }
    spit("$work/map/$name", $text);
    remove_tree($counts);
}

# By test; file and line; file, line and test.
my (%took, %is_code, %done_by);

# Each test may execute any line; they stand in the order of @names.
sub map_all {
    my (@names) = @_;
    $took{$names[$_]} = [$_, $_] for 0 .. $#names;
}

sub read_maps {
    my (@names) = @_;
    return map_all(@names) if $quick;
    my @old = grep { !newer("$work/map/$_", "$build/$variants[0]/unit/$_",
        "$build/cov/unit/$_") } @names;
    if (@old) {
        print "Finding out which lines ", scalar(@old), " tests execute\n";
        in_parallel(sub { make_map($old[$_[0]]) }, sub { }, scalar @old);
    }
    for my $name (@names) {
        die "no map of $name\n" if !-e "$work/map/$name";
        for (split /\n/, slurp("$work/map/$name")) {
            my ($what, $file, @lines) = split;
            $took{$name} = [$file, @lines] if $what eq 'took';
            $is_code{$file}{$_} = 1 for $what eq 'code' ? @lines : ();
            $done_by{$file}{$_}{$name} = 1 for $what eq 'done' ? @lines : ();
        }
    }
}

# --quick may be called without make: what is judged must be in the tests.
sub check_built {
    my (@names) = @_;
    my @programs = map { "$build/$variants[0]/unit/$_" } @names;
    for my $file (map { sources_of($_) } @chosen) {
        my $time = (stat $file)[9];
        die "$file is newer than the tests: make @programs\n"
            if !grep { -e $_ && (stat _)[9] >= $time } @programs;
    }
}

# Tests that include the source itself.
my %including;
sub read_including {
    for my $name (keys %took) {
        my $text = slurp("$build/$variants[0]/tests/unit/$name.d");
        $including{$1}{$name} = 1 while $text =~ m{\s((?!tests/)\S+\.c)(?=\s)}g;
    }
}

# Kills by test: of the function's mutants and of the file's, from this run and others.
my %kills;
sub read_kills {
    return if !-e "$work/kills";
    for (split /\n/, slurp("$work/kills")) {
        my ($place, $test, $times) = split;
        $kills{$place}{$test} = $times if defined $times;
    }
}

sub write_kills {
    my $text = '';
    for my $place (sort keys %kills) {
        $text .= "$place $_ $kills{$place}{$_}\n" for sort keys %{$kills{$place}};
    }
    spit("$work/kills", $text);
}

sub count_kill {
    my ($mutant, $test) = @_;
    $kills{$mutant->{file}}{$test}++;
    $kills{"$mutant->{file}:$mutant->{function}"}{$test}++;
}

# The tests that execute a mutant's lines, the likeliest to notice first: that which has
# killed others of the function, of the file, that of the same name, then one of the
# same beginning, then the quickest.
sub tests_for {
    my ($mutant) = @_;
    my $file = $mutant->{file};
    my @lines = grep { $is_code{$file}{$_} } $mutant->{line} .. $mutant->{last};
    if (!@lines && !$quick) { # part of a statement that begins above
        my $line = $mutant->{line};
        $line-- while $line > 0 && !$is_code{$file}{$line};
        @lines = ($line);
    }
    my %names = map { $_ => 1 }
        $quick ? keys %took : map { keys %{$done_by{$file}{$_} || {}} } @lines;
    my $stem = basename($file, '.c') =~ s/^host_//r;
    my %rank;
    for my $name (keys %names) {
        my $test = basename($name) =~ s/^test_//r;
        $rank{$name} = [
            -($kills{"$file:$mutant->{function}"}{$name} || 0),
            -($kills{$file}{$name} || 0),
            $test eq $stem ? 0 : index($test, $stem) == 0 ? 1
                : index($stem, $test) == 0 ? 2 : 3,
            $took{$name}[1]];
    }
    my $compare = sub {
        my ($one, $other) = @_;
        for (0 .. 3) {
            my $order = $rank{$one}[$_] <=> $rank{$other}[$_];
            return $order if $order;
        }
        return $one cmp $other;
    };
    return sort { $compare->($a, $b) } keys %names;
}

# ---- One mutant ---------------------------------------------------------------

# A copy of the file with the change, where an #include of the file finds it first.
# Its lines keep their numbers and the file its name.
sub write_source {
    my ($directory, $file, $text) = @_;
    spit("$directory/$file", "#line 1 \"$file\"\n$text");
    return "$directory/$file";
}

sub object_of {
    my ($variant, $file) = @_;
    return "$build/$variant/" . ($file =~ s/\.c$/.o/r);
}

# The object of the release build, or undef when it does not compile.
sub release_object {
    my ($directory, $file, $source) = @_;
    my ($object) = grep { $compile{$_} }
        map { object_of($_, $file) } qw(host metal sim);
    unlink "$directory/release.o";
    return undef if !defined $object;
    compile_as($object, $file, $source, "$directory/release.o", '-g0') or return undef;
    return slurp("$directory/release.o");
}

sub original_object {
    my ($file) = @_;
    my $directory = "$work/original/" . ($file =~ s{/}{_}gr);
    my $kept = "$directory/kept.o";
    if (!newer($kept, $file, "$build/$variants[-1]/libtorc.a")) {
        # Two processes may be at it: each in a place of its own.
        my $own = "$directory/$$";
        my $source = write_source($own, $file, slurp($file));
        my $object = release_object($own, $file, $source);
        die "$file does not compile as it is: $own/release.o.log\n"
            if !defined $object;
        spit("$own/kept.o", $object);
        rename "$own/kept.o", $kept or die "$kept: $!\n";
        remove_tree($own);
    }
    return slurp($kept);
}

# Link $program with the objects given in the place of its own.
sub link_with {
    my ($program, $out, $main, @objects) = @_;
    my $command = $link{$program} or die "no command to link $program\n";
    $command =~ s/ -o \S+\s*$/ -o $out/;
    $command =~ s/(-Wl,--start-group) (\S+)/"$1 @objects " . ($main || $2)/e;
    return build_with($command, "$out.log");
}

# A kill of an earlier run counts as long as the source and the test's program are what
# they were.
sub killed_before {
    my ($mutant) = @_;
    my $kept = "$work/killed/$mutant->{id}";
    return () if !newer($kept, $mutant->{file});
    my ($outcome, $detail) = split /\t/, slurp($kept);
    my ($test, $variant) = split / /, $detail;
    $variant = $variant ? $variant =~ s/[()]//gr : $variants[0];
    return newer($kept, "$build/$variant/unit/$test") ? ($outcome, $detail) : ();
}

# Kinds of outcome: unbuilt, equivalent, killed, late (killed by its limit of time),
# survived, alone (no test executes it). With a detail.
sub judge {
    my ($mutant) = @_;
    my $file = $mutant->{file};
    my $directory = "$work/work/$mutant->{id}";
    my @before = $wanted ne '' ? () : killed_before($mutant);
    return @before if @before;
    remove_tree($directory);
    make_path($directory);
    my $source = write_source($directory, $file,
        Mutations::apply(slurp($file), $mutant));
    my $release = release_object($directory, $file, $source);
    return ('unbuilt', '') if !defined $release;
    return ('equivalent', '') if $release eq original_object($file);
    my @tests = tests_for($mutant);
    for my $variant (@variants) {
        my $object = "$directory/$variant.o";
        my $like = object_of($variant, $file);
        if ($variant eq 'host') { # the release object, where there is one for it
            $object = "$directory/release.o";
        } elsif (defined $compile{$like}) {
            compile_as($like, $file, $source, $object, '') or return ('unbuilt', '');
        }
        for my $name (@tests) {
            my @outcome = judge_by_test($mutant, $directory, $name, $variant, $object);
            next if !@outcome;
            spit("$work/killed/$mutant->{id}", join "\t", @outcome)
                if $outcome[0] eq 'killed';
            return @outcome;
        }
    }
    my @outcome = $quick ? () : judge_by_simulation($mutant, $directory, $source);
    return @outcome if @outcome;
    return @tests ? ('survived', "@tests") : ('alone', '');
}

sub judge_by_test {
    my ($mutant, $directory, $name, $variant, $changed) = @_;
    my $file = $mutant->{file};
    my $program = "$build/$variant/unit/$name";
    my ($main, @objects);
    if ($including{$file}{$name}) {
        my $object = "$build/$variant/tests/unit/$name.o";
        $main = "$directory/main.o";
        compile_as($object, "tests/unit/$name.c", "tests/unit/$name.c", $main,
            "-iquote $directory -Wno-all") or return ('unbuilt', '');
    } else {
        @objects = ($changed);
    }
    link_with($program, "$directory/test", $main, @objects) or return ('unbuilt', '');
    my ($real, $cpu) = took($name, $variant);
    my ($status) = run_program("$directory/test", "$directory/log",
        [POSIX::ceil(4 * $cpu + 3), 2 * $real + 4, 8 * $real + 20, 1]);
    my $by = $variant eq $variants[0] ? $name : "$name ($variant)";
    return ('late', $by) if $status eq 'time';
    return ('killed', $by) if $status != 0;
    return ();
}

# Of the core and the simulated machine: short simulations notice more than any test
# of one file.
my @simulations = (['mixed', '--seeds 300'], ['call', '--dfs 1']);
sub judge_by_simulation {
    my ($mutant, $directory, $source) = @_;
    my $file = $mutant->{file};
    my $object = object_of('sim', $file);
    return () if $file !~ m{^(kernel|hal/posix)/} || !$compile{$object};
    compile_as($object, $file, $source, "$directory/sim.o", '') or return ();
    for (@simulations) {
        my ($name, $options) = @$_;
        next if !$link{"$build/sim/$name"};
        link_with("$build/sim/$name", "$directory/sim", undef, "$directory/sim.o")
            or return ();
        my ($status) = run_program("$directory/sim $options", "$directory/log",
            [60, 60, 240]);
        return ('late', "sim $name") if $status eq 'time';
        return ('killed', "sim $name") if $status != 0;
    }
    return ();
}

# ---- Many mutants -------------------------------------------------------------

# Calls $work_fn(index) in up to $jobs processes, and $done_fn(index, what it returned)
# here as they end. $limit may shrink through $done_fn's answer: it says when enough.
sub in_parallel {
    my ($work_fn, $done_fn, $limit) = @_;
    my (%running, $enough);
    my $next = 0;
    make_path("$work/results");
    while (%running || ($next < $limit && !$enough)) {
        while (keys(%running) < $jobs && $next < $limit && !$enough) {
            my $pid = fork();
            die "fork: $!\n" if !defined $pid;
            if ($pid == 0) {
                my @result = eval { $work_fn->($next) };
                print STDERR $@ if $@;
                spit("$work/results/$$", join "\t", @result) if !$@;
                POSIX::_exit($@ ? 1 : 0);
            }
            $running{$pid} = $next++;
        }
        my $pid = wait();
        next if !defined $running{$pid};
        my $index = delete $running{$pid};
        if ($?) {
            $enough = 1;
            waitpid $_, 0 for keys %running;
            exit 2;
        }
        my @result = split /\t/, slurp("$work/results/$pid"), -1;
        unlink "$work/results/$pid";
        $enough = 1 if $done_fn->($index, @result);
    }
}

# The mutants of a part in an order that depends on the seed alone.
sub shuffled {
    my ($name, @mutants) = @_;
    my %rank = map {
        $_ => Mutations::hash($seed, $name, $_->{id}) . $_->{id}
    } @mutants;
    return sort { $rank{$a} cmp $rank{$b} } @mutants;
}

my %word = (unbuilt => 'not compiled', equivalent => 'equivalent', killed => 'killed',
    late => 'killed', survived => 'SURVIVED', alone => 'SURVIVED', accepted => 'accepted');

sub place { "$_[0]{file}:$_[0]{line}" }

sub describe {
    my ($mutant) = @_;
    my $detail = $mutant->{outcome} eq 'alone' ? 'no test executes the line'
        : $mutant->{outcome} eq 'late' ? "by time, $mutant->{detail}"
        : $mutant->{outcome} eq 'killed' ? "by $mutant->{detail}"
        : $mutant->{outcome} eq 'survived' ? "ran $mutant->{detail}" : '';
    return sprintf "%s  %s, %s() [%s] %s\n    - %s\n    + %s\n", $mutant->{id},
        place($mutant), $mutant->{function}, $mutant->{operator}, $detail,
        $mutant->{before}, $mutant->{after};
}

my %generated;
sub mutants_of {
    my ($file) = @_;
    $generated{$file} ||= [Mutations::of_file($file, slurp($file))];
    return @{$generated{$file}};
}

# What the mutants that count have come to: two processes may overshoot, so the order
# decides, not who was quicker.
sub sum_up {
    my ($part, @judged) = @_;
    my $left = $count;
    my $results = '';
    my %sum = (name => $part->{name}, bar => $part->{bar}, all => $part->{all});
    for my $mutant (@judged) {
        last if $left == 0;
        $sum{$mutant->{outcome}}++;
        $sum{files}{$mutant->{file}}{$mutant->{outcome}}++;
        $left-- if $mutant->{outcome} =~ /killed|late|survived|alone/;
        push @{$sum{survivors}}, $mutant if $mutant->{outcome} =~ /survived|alone/;
        $results .= join("\t", @$mutant{qw(id outcome detail)}, place($mutant),
            @$mutant{qw(function operator before after)}) . "\n";
    }
    spit("$work/$part->{name}.results", $results);
    return \%sum;
}

# Those that the last run of the part let survive.
sub survivors {
    my ($part, @mutants) = @_;
    my %alive = map { /^(\w+)\t(?:survived|alone)\t/ ? ($1 => 1) : () }
        split /\n/, slurp("$work/$part->{name}.results");
    return grep { $alive{$_->{id}} } @mutants;
}

sub run_part {
    my ($part, $accepted) = @_;
    my @mutants = shuffled($part->{name}, map { mutants_of($_) } sources_of($part));
    $part->{all} = @mutants;
    @mutants = survivors($part, @mutants) if $again;
    my (@judged, $counted);
    my $progress = sub {
        my ($index, $outcome, $detail) = @_;
        my $mutant = $mutants[$index];
        @$mutant{qw(outcome detail)} = ($outcome, $detail);
        my $entry = $accepted->{accepted_key(@$mutant{qw(file function before after)})};
        if ($entry && $outcome =~ /survived|alone/) {
            $mutant->{outcome} = 'accepted';
        } elsif ($entry) {
            $entry->{stale} = "is $word{$outcome}" . ($detail ? " by $detail" : '');
        }
        count_kill($mutant, $detail =~ s/ \(.*//r) if $outcome =~ /killed|late/;
        push @judged, $index;
        $counted++ if $mutant->{outcome} =~ /killed|late|survived|alone/;
        printf "%-8s %4d/%d  %-12s %-22s %s\n", $part->{name}, $counted || 0, $count,
            $word{$mutant->{outcome}},
            $outcome =~ /killed|late/ ? $detail : $mutant->{id}, place($mutant);
        return ($counted || 0) >= $count;
    };
    in_parallel(sub { judge($mutants[$_[0]]) }, $progress, scalar @mutants);
    write_kills();
    return sum_up($part, @mutants[sort { $a <=> $b } @judged]);
}

sub score {
    my ($sum) = @_;
    my $killed = ($sum->{killed} || 0) + ($sum->{late} || 0);
    my $survived = ($sum->{survived} || 0) + ($sum->{alone} || 0);
    my $tried = $killed + $survived;
    return ($killed, $survived, $tried ? 100 * $killed / $tried : 100);
}

# The files of a part, with their share in its score.
sub summary_of_files {
    my ($sum) = @_;
    printf "\n%-32s %6s %8s %8s %6s\n", "$sum->{name}:", 'killed', 'survived',
        'accepted', 'score';
    for my $file (sort keys %{$sum->{files}}) {
        my $one = $sum->{files}{$file};
        my ($killed, $survived, $score) = score($one);
        next if $killed + $survived == 0;
        printf "%-32s %6d %8d %8d %5.1f%%\n", $file, $killed, $survived,
            $one->{accepted} || 0, $score;
    }
}

sub summary {
    my (@sums) = @_;
    my $low = 0;
    summary_of_files($_) for @sums;
    for my $sum (@sums) {
        my @survivors = sort { $a->{file} cmp $b->{file} || $a->{line} <=> $b->{line} }
            @{$sum->{survivors} || []};
        next if !@survivors;
        print "\nSurvivors of $sum->{name}:\n";
        print describe($_) for @survivors;
    }
    printf "\n%-9s %8s %9s %10s %8s %6s %7s %8s %6s %4s\n", 'part', 'possible',
        'unbuilt', 'equivalent', 'accepted', 'killed', 'by time', 'survived', 'score',
        'bar';
    for my $sum (@sums) {
        my ($killed, $survived, $score) = score($sum);
        my $ok = $score >= $sum->{bar};
        $low++ if !$ok;
        printf "%-9s %8d %9d %10d %8d %6d %7d %8d %5.1f%% %3d%%%s\n", $sum->{name},
            $sum->{all}, $sum->{unbuilt} || 0, $sum->{equivalent} || 0,
            $sum->{accepted} || 0, $killed, $sum->{late} || 0, $survived, $score,
            $sum->{bar}, $ok ? '' : '  under the bar';
    }
    return $low;
}

# Entries of accepted.txt that no mutation of the sources matches, or that a test kills.
sub stale {
    my ($accepted, @parts) = @_;
    my %exists;
    for my $file (map { sources_of($_) } @parts) {
        $exists{accepted_key(@$_{qw(file function before after)})} = 1
            for mutants_of($file);
    }
    my $count = 0;
    for my $key (sort keys %$accepted) {
        my $entry = $accepted->{$key};
        my $why = $entry->{stale};
        $why = 'matches no mutation' if !$exists{$key};
        next if !defined $why;
        $count++;
        print "accepted.txt: $entry->{place}: $why: remove it\n",
            "    - $entry->{before}\n    + $entry->{after}\n";
    }
    return $count;
}

# One mutant again, with everything it says.
sub run_one {
    my (@parts) = @_;
    my ($mutant) = grep { $_->{id} eq $wanted }
        map { mutants_of($_) } map { sources_of($_) } @parts;
    die "no mutant $wanted in these sources\n" if !$mutant;
    @$mutant{qw(outcome detail)} = $show ? ('', '') : judge($mutant);
    print describe($mutant);
    if ($show) {
        my $changed = write_source("$work/work/$wanted", $mutant->{file},
            Mutations::apply(slurp($mutant->{file}), $mutant));
        print "tests: ", join(' ', tests_for($mutant)), "\n";
        system "tail -n +2 $changed | diff -u $mutant->{file} -";
        return 0;
    }
    print "$word{$mutant->{outcome}}\n";
    if ($mutant->{outcome} =~ /killed|late/) {
        system "grep -vE '^.{0,12}(RUN|  OK )' $work/work/$wanted/log | head -n 60";
    }
    print "files: $work/work/$wanted\n";
    return $mutant->{outcome} =~ /survived|alone/;
}

my @parts = read_parts();
my %part_of = map { $_->{name} => $_ } @parts;
@chosen = @parts;
if (@files) {
    @chosen = ({name => 'files', bar => 0, directories => \@files});
} elsif (@part_names) {
    @chosen = map { $part_of{$_} || die "no part $_: see $here/parts.txt\n" } @part_names;
}
if ($list) {
    for my $mutant (map { mutants_of($_) } map { sources_of($_) } @chosen) {
        @$mutant{qw(outcome detail)} = ('', '');
        print describe($mutant);
    }
    exit 0;
}
my @names = read_commands();
check_built(@names) if $quick;
read_maps(@names);
read_including();
read_kills();
exit run_one(@parts) if $wanted ne '';
my $accepted = read_accepted();
remove_tree("$work/work");
my @sums = map { run_part($_, $accepted) } @chosen;
my $low = summary(@sums);
my $stale = stale($accepted, @parts);
exit($low || $stale ? 1 : 0);
