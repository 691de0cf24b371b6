import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The runs that an experiment wants, in the order of PLAN.md. Thread-safe. */
final class Schedule {
    private static final List<String> GRID = List.of("2e-3", "4e-3", "8e-3");
    private static final List<String> BELOW = List.of("1e-3", "5e-4", "2.5e-4");
    private static final List<String> ABOVE = List.of("1.6e-2", "3.2e-2", "6.4e-2");

    private final Set<String> experiments;
    private final Set<String> taken = new HashSet<>();
    private boolean failed;

    Schedule(Set<String> experiments) {
        this.experiments = experiments;
    }

    /** The tuning runs that an arm needs by the records so far. */
    static List<Run> tuning(String arm) {
        List<String> rates = new ArrayList<>(GRID);
        for (int i = 0; i < BELOW.size() && best(arm, rates).filter(rates.getFirst()::equals).isPresent(); i++) {
            rates.addFirst(BELOW.get(i));
        }
        for (int i = 0; i < ABOVE.size() && best(arm, rates).filter(rates.getLast()::equals).isPresent(); i++) {
            rates.add(ABOVE.get(i));
        }
        return rates.stream().map(rate -> tuning(arm, rate)).toList();
    }

    private static Run tuning(String arm, String rate) {
        return Run.of("tune/" + arm + "/" + rate + "/0");
    }

    /** The best of these rates; empty until all have a record. */
    private static Optional<String> best(String arm, List<String> rates) {
        return rates.stream().allMatch(rate -> tuning(arm, rate).recorded())
                ? rates.stream().min(Comparator.comparing(rate -> tuning(arm, rate).lastLoss()))
                : Optional.empty();
    }

    /** The rate of an arm, that of its parent if it has one; empty until it is tuned. */
    static Optional<String> rate(String arm) {
        String tuned = Arm.of(arm).parent() == null ? arm : Arm.of(arm).parent();
        List<String> rates = tuning(tuned).stream().map(Run::rate).toList();
        return best(tuned, rates);
    }

    /** The run of an arm and a seed; empty until its rate is known. */
    static Optional<Run> run(String arm, int seed) {
        return rate(arm).map(rate -> Run.of(arm + "/" + rate + "/" + seed));
    }

    private static List<Run> seeds(int first, int last, String... arms) {
        List<Run> runs = new ArrayList<>();
        IntStream.rangeClosed(first, last)
                .forEach(seed -> Stream.of(arms).forEach(arm -> run(arm, seed).ifPresent(runs::add)));
        return runs;
    }

    /** The tuning runs of arms, then their seeds from 1 on. */
    private static List<Run> tuned(int last, String... arms) {
        List<Run> runs = new ArrayList<>();
        Stream.of(arms).map(Schedule::tuning).forEach(runs::addAll);
        runs.addAll(seeds(1, last, arms));
        return runs;
    }

    /** All runs that are known now. */
    List<Run> runs() {
        List<Run> runs = new ArrayList<>();
        List<String> primary = new ArrayList<>(List.of("S1-tied", "S1-untied"));
        if (experiments.contains("E2")) {
            primary.add("S1-1c");
        }
        if (experiments.contains("E1")) {
            primary.addAll(List.of("S1-narrow", "S1-thin"));
        }
        primary.stream().map(Schedule::tuning).forEach(runs::addAll);
        for (int seed = 1; seed <= 6; seed++) {
            runs.addAll(seeds(seed, seed, primary.toArray(String[]::new)));
            if (experiments.contains("E3") && seed <= 5) {
                runs.addAll(seeds(seed, seed, "S1-untied-at-600", "S1-untied-at-300", "S1-retied-at-300"));
            }
        }
        if (experiments.contains("E2")) {
            runs.addAll(tuned(6, "S1-cc"));
        }
        if (experiments.contains("E1")) {
            runs.addAll(tuned(6, "B1-tied", "B1-untied"));
            runs.addAll(tuned(5, "S2-tied", "S2-untied"));
            runs.addAll(tuned(5, "S0-tied", "S0-untied"));
        }
        if (experiments.contains("E2")) {
            runs.addAll(tuned(6, "S1-c1"));
            runs.addAll(seeds(1, 3, "S1-g2", "S1-g4", "S1-g8", "S1-g16", "S1-g32"));
        }
        if (experiments.contains("E1")) {
            runs.addAll(tuned(5, "S2-narrow", "S0-narrow"));
        }
        return runs;
    }

    /** Takes the next run whose parent is done, after a wait for one if need be; null if no run is left. */
    synchronized Run next() throws InterruptedException {
        while (!failed) {
            List<Run> left = runs().stream().filter(run -> !run.recorded()).toList();
            for (Run run : left) {
                Run parent = run.parent();
                if (parent != null && parent.recorded() && parent.diverged()) {
                    failed = true;
                    notifyAll();
                    throw new IllegalStateException(run.name() + ": expected a parent with a checkpoint, got one that diverged");
                }
                Run ready = parent == null || Files.isDirectory(run.forkedFrom()) && !taken.contains(parent.name()) ? run : parent;
                if (taken.add(ready.name())) {
                    return ready;
                }
            }
            if (taken.isEmpty()) {
                return null;
            }
            wait();
        }
        return null;
    }

    synchronized boolean failed() {
        return failed;
    }

    synchronized void done(Run run, boolean well) {
        taken.remove(run.name());
        failed |= !well;
        notifyAll();
    }
}
