import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;

/** The program of run.sh: {@code java -cp LIBRARIES Tying.java train|list|again|report|quick NAME...}. */
final class Tying {
    /** The experiments of training runs. */
    private static final List<String> TRAINED = List.of("E1", "E2", "E3");

    private static final List<String> ALL = List.of("E1", "E2", "E3", "E5", "E7");
    private static final int JOBS = Integer.parseInt(System.getenv().getOrDefault("TYING_JOBS", "2"));

    private Tying() {}

    public static void main(String[] args) throws InterruptedException {
        try {
            run(args[0], List.of(args).subList(1, args.length));
        } catch (IllegalArgumentException | IllegalStateException | IOException e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
    }

    private static void run(String command, List<String> names) throws IOException, InterruptedException {
        switch (command) {
            case "list" -> new Schedule(chosen(names, TRAINED)).runs()
                    .forEach(run -> System.out.println((run.recorded() ? "done  " : "left  ") + run.name()));
            case "again" -> alone(() -> {
                for (String name : names) {
                    Run.of(name).again();
                }
            });
            case "train" -> {
                Set<String> chosen = chosen(names, ALL);
                alone(() -> {
                    if (chosen.contains("E7")) {
                        Bits.run();
                    }
                    if (chosen.contains("E5")) {
                        Spam.run();
                    }
                    if (!Collections.disjoint(chosen, TRAINED)) {
                        train(new Schedule(chosen));
                    }
                });
            }
            case "report" -> Report.write();
            case "quick" -> Quick.run();
            default -> throw new IllegalArgumentException("expected train, list, again, report or quick, got " + command);
        }
    }

    private static Set<String> chosen(List<String> names, List<String> known) {
        for (String name : names) {
            if (!known.contains(name)) {
                throw new IllegalArgumentException("experiment: expected one of " + String.join(", ", known) + ", got " + name);
            }
        }
        return Set.copyOf(names);
    }

    private interface Task {
        void run() throws IOException, InterruptedException;
    }

    /** Runs a task while no other process works in the folder. */
    private static void alone(Task task) throws IOException, InterruptedException {
        Path file = Files.createDirectories(Run.WORK).resolve("lock");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                var lock = channel.tryLock()) {
            if (lock == null) {
                throw new IOException(Run.WORK + ": expected a free folder, got one that another run.sh works in");
            }
            task.run();
        }
    }

    private static void train(Schedule schedule) throws IOException, InterruptedException {
        List<Thread> workers = new ArrayList<>();
        for (int i = 0; i < JOBS; i++) {
            workers.add(Thread.ofPlatform().start(() -> work(schedule)));
        }
        for (Thread worker : workers) {
            worker.join();
        }
        if (schedule.failed()) {
            throw new IOException("expected all runs to train, got one or more that failed; run it again when mended");
        }
    }

    private static void work(Schedule schedule) {
        try {
            for (Run run = schedule.next(); run != null; run = schedule.next()) {
                boolean well = false;
                try {
                    run.train();
                    well = true;
                } finally {
                    schedule.done(run, well);
                }
            }
        } catch (IOException | IllegalStateException | InterruptedException e) {
            System.err.println(e.getMessage());
        }
    }
}
