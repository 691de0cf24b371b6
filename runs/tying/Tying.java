import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** The program of run.sh: {@code java -cp LIBRARIES Tying.java train|list|again|report NAME...}. */
final class Tying {
    private static final int JOBS = Integer.parseInt(System.getenv().getOrDefault("TYING_JOBS", "2"));

    private Tying() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        List<String> names = List.of(args).subList(1, args.length);
        switch (args[0]) {
            case "list" -> new Schedule(new TreeSet<>(names)).runs()
                    .forEach(run -> System.out.println((run.recorded() ? "done  " : "left  ") + run.name()));
            case "again" -> alone(() -> {
                for (String name : names) {
                    Run.of(name).train();
                }
            });
            case "train" -> alone(() -> {
                if (names.contains("E7")) {
                    Bits.run();
                }
                if (names.contains("E5")) {
                    Spam.run();
                }
                if (!Collections.disjoint(names, List.of("E1", "E2", "E3"))) {
                    train(new TreeSet<>(names));
                }
            });
            case "report" -> Report.write();
            case "quick" -> Quick.run();
            default -> throw new IllegalArgumentException("expected train, list, again or report, got " + args[0]);
        }
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
                System.err.println(Run.WORK + ": expected a free folder, got one that another run.sh works in");
                System.exit(1);
            }
            task.run();
        }
    }

    private static void train(Set<String> experiments) throws InterruptedException {
        Schedule schedule = new Schedule(experiments);
        List<Thread> workers = new ArrayList<>();
        for (int i = 0; i < JOBS; i++) {
            workers.add(Thread.ofPlatform().start(() -> work(schedule)));
        }
        for (Thread worker : workers) {
            worker.join();
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
        } catch (IOException | InterruptedException e) {
            System.err.println(e.getMessage());
        }
    }
}
