import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The machinery of the experiments on a tiny model and text of this repository: branches have the bytes of whole runs, one
 * of them after a kill. Asserts no result.
 */
final class Quick {
    private static final int STEPS = 40;
    private static final int FORK = 20;

    private final Path folder = Run.WORK.resolve("quick");
    private final Path config = folder.resolve("config.json");
    private int passed;

    private Quick() {}

    static void run() throws IOException, InterruptedException {
        Quick quick = new Quick();
        Run.delete(quick.folder);
        Files.createDirectories(quick.folder);
        Files.writeString(quick.config, new Shape(512, 64, 64, 1, 48).config(true, 1));
        quick.finish("tokenizer", List.of("tokenizer", "train", "--data", "docs/decisions", "--vocabulary-size", "512", "--out",
                quick.folder.resolve("tokenizer").toString()));
        for (int seed = 1; seed <= 2; seed++) {
            quick.pair(seed);
        }
        System.out.println(quick.passed + " passed, 0 failed");
    }

    private void pair(int seed) throws IOException, InterruptedException {
        String[] untie = {"--untie-at", "" + FORK};
        Path tied = train("tied-" + seed, seed, false);
        Path whole = train("whole-" + seed, seed, false, untie);
        String[] from = {"--from", tied.resolve("checkpoint-" + FORK).toString(), "--untie-at", "" + FORK};
        Path branch = train("branch-" + seed, seed, true, from);
        requireSame(whole, branch);
        requireSame(tied, train("unchanged-" + seed, seed, false, "--from", tied.resolve("checkpoint-" + FORK).toString()));
        if (digest(tied).equals(digest(branch))) {
            throw new IOException("branch: expected other weights than the tied run's, got the same");
        }
    }

    /** Trains; if {@code kills}, the process is killed on the way, and another resumes. */
    private Path train(String name, int seed, boolean kills, String... more) throws IOException, InterruptedException {
        Path out = folder.resolve(name);
        List<String> command = new ArrayList<>(List.of(
                "train", "--data", "docs/decisions", "--config", config.toString(), "--tokenizer",
                folder.resolve("tokenizer").toString(), "--out", out.toString(), "--resume", "--steps", "" + STEPS,
                "--learning-rate", "4e-3", "--warmup-steps", "5", "--evaluation-interval", "0", "--checkpoint-interval", "5",
                "--keep-interval", "" + FORK, "--seed", "" + seed, "--threads", "1"));
        command.addAll(List.of(more));
        if (kills) {
            Process killed = launch(command);
            Path passed = out.resolve("checkpoint-" + (FORK + 5));
            while (killed.isAlive() && !Files.exists(passed)) {
                Thread.sleep(1);
            }
            killed.descendants().forEach(ProcessHandle::destroyForcibly);
            killed.destroyForcibly();
            System.out.println(name + ": killed, status " + killed.waitFor());
        }
        finish(name, command);
        return out;
    }

    private void finish(String name, List<String> arguments) throws IOException, InterruptedException {
        int status = launch(arguments).waitFor();
        if (status != 0) {
            throw new IOException(name + ": expected status 0, got " + status + "; see " + folder.resolve("log"));
        }
    }

    private Process launch(List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(Run.LAUNCHER));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(folder.resolve("log").toFile()));
        // Plain Java by the first compiler has the same bits, and a tiny model ends before others are compiled.
        builder.environment().put("CAUSAL4J_JAVA_OPTS", "-Dcausal4j.kernels=scalar -XX:TieredStopAtLevel=1");
        return builder.start();
    }

    private void requireSame(Path one, Path other) throws IOException {
        if (!digest(one).equals(digest(other))) {
            throw new IOException(other + ": expected the bytes of " + one + ", got others");
        }
        passed++;
        System.out.println(other.getFileName() + " has the bytes of " + one.getFileName());
    }

    /** The digest of the weights and moments of the last checkpoint. */
    private static String digest(Path run) throws IOException {
        Path last = run.resolve("checkpoint-" + STEPS);
        return Run.sha256(Files.readAllBytes(last.resolve("model.safetensors")))
                + Run.sha256(Files.readAllBytes(last.resolve("training/optimizer.safetensors")));
    }
}
