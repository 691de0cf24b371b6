import dev.causal4j.json.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * One run of an arm, named [tune/]ARM/RATE/SEED.
 *
 * <p>Its work is in a folder of its own, with checkpoints; its record has what is kept: {@code config.json}; {@code
 * loss.jsonl}, every tenth step and each evaluation with exact numbers; and {@code run.json}, written last, with digests of
 * all steps and of the last checkpoint. A record holds nothing of the machine, so it is equal to the byte everywhere.
 *
 * @param works the folder of {@link #WORK} that has its folder
 */
record Run(Arm arm, String rate, int seed, boolean tunes, String works) {
    static final Path WORK = Path.of(System.getenv().getOrDefault("TYING_WORK", "target/tying"));
    static final Path RECORDS = Path.of("runs/tying/records");
    static final String LAUNCHER = System.getenv().getOrDefault("TYING_LAUNCHER", "./causal4j");
    private static final int TUNING_STEPS = 400;
    private static final int KEPT_STEPS = 10;

    /** The run of a name. */
    static Run of(String name) {
        boolean tunes = name.startsWith("tune/");
        String[] parts = (tunes ? name.substring(5) : name).split("/");
        if (parts.length != 3) {
            throw new IllegalArgumentException("run: expected [tune/]ARM/RATE/SEED, got " + name);
        }
        return new Run(Arm.of(parts[0]), parts[1], Integer.parseInt(parts[2]), tunes, "runs");
    }

    String name() {
        return (tunes ? "tune/" : "") + arm.name() + "/" + rate + "/" + seed;
    }

    Path folder() {
        return WORK.resolve(works).resolve(name());
    }

    Path record() {
        return RECORDS.resolve(name());
    }

    boolean recorded() {
        return Files.exists(record().resolve("run.json"));
    }

    int steps() {
        return tunes ? TUNING_STEPS : arm.steps();
    }

    /** The run it branches from, or null. */
    Run parent() {
        return arm.fork() == 0 ? null : new Run(Arm.of(arm.parent()), rate, seed, false, works);
    }

    /** The checkpoint it branches from. */
    Path forkedFrom() {
        return parent().folder().resolve("checkpoint-" + arm.fork());
    }

    double lastLoss() {
        return ((Number) summary().get("held_out_loss")).doubleValue();
    }

    /** A column of the record's steps, where it has one. */
    Map<Long, Double> numbers(String column) {
        Map<Long, Double> numbers = new TreeMap<>();
        try {
            for (String line : Files.readAllLines(record().resolve("loss.jsonl"))) {
                Map<String, Object> step = Json.exactTree("loss.jsonl", line.getBytes(StandardCharsets.UTF_8));
                if (step.get(column) instanceof Number number) {
                    numbers.put(((Number) step.get("step")).longValue(), number.doubleValue());
                }
            }
            return numbers;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Map<String, Object> summary() {
        try {
            return Json.exactTree("run.json", Files.readAllBytes(record().resolve("run.json")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The options of {@code train} that make the run what it is. */
    List<String> options() {
        int steps = steps();
        List<String> options = new ArrayList<>(List.of(
                "--cut", "documents", "--steps", "" + steps, "--batch-size", "8", "--learning-rate", rate, "--warmup-steps", "100",
                "--evaluation-interval", "" + (tunes ? 300 : arm.evaluationInterval()), "--eval-tokens", "131072", "--seed", "" + seed));
        options.addAll(arm.options());
        return options;
    }

    /** Trains a recorded run from its beginning, or where an earlier call was interrupted, and compares every byte of the record. */
    void again() throws IOException, InterruptedException {
        if (!recorded()) {
            throw new IllegalArgumentException(name() + ": expected a run with a record; --list E1 E2 E3 names them");
        }
        Run again = new Run(arm, rate, seed, tunes, "again");
        if (again.parent() != null && !Files.isDirectory(again.forkedFrom())) {
            again.parent().train();
        }
        again.train();
        delete(WORK.resolve("again"));
    }

    static void delete(Path folder) throws IOException {
        if (Files.exists(folder)) {
            try (Stream<Path> tree = Files.walk(folder)) {
                for (Path each : tree.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(each);
                }
            }
        }
    }

    boolean diverged() {
        return Boolean.TRUE.equals(summary().get("diverged"));
    }

    /** Trains from the last checkpoint, or from the beginning, and writes the record, or compares it with the one there. */
    void train() throws IOException, InterruptedException {
        Path folder = Files.createDirectories(folder());
        Path config = folder.resolveSibling(seed + ".config.json");
        Files.writeString(config, arm.config());
        Path data = WORK.resolve(arm.corpus());
        List<String> command = new ArrayList<>(List.of(
                LAUNCHER, "train", "--data", data.resolve("training.jsonl").toString(),
                "--held-out-data", data.resolve("held-out.jsonl").toString(), "--config", config.toString(),
                "--tokenizer", data.resolve("tokenizer").toString(), "--out", folder.toString(), "--resume",
                "--checkpoint-interval", "100", "--keep-interval", tunes ? "0" : "300", "--threads", "1"));
        command.addAll(options());
        if (parent() != null) {
            command.addAll(List.of("--from", forkedFrom().toString()));
        }
        Path log = folder.resolveSibling(seed + ".log");
        int status = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start()
                .waitFor();
        boolean diverged = status != 0 && Files.readString(log).contains("expected a finite number");
        if (status != 0 && !diverged) {
            throw new IOException(name() + ": expected to train, got status " + status + "; see " + log);
        }
        write(diverged);
    }

    private void write(boolean diverged) throws IOException {
        Path made = Files.createDirectories(WORK.resolve("made").resolve(name()));
        Files.writeString(made.resolve("config.json"), arm.config());
        TreeMap<Long, String> lines = new TreeMap<>();
        StringBuilder kept = new StringBuilder();
        double last = Double.NaN;
        for (String line : Files.readAllLines(folder().resolve("loss.jsonl"))) {
            Map<String, Object> all = Json.exactTree("loss.jsonl", line.getBytes(StandardCharsets.UTF_8));
            Map<String, Object> step = new LinkedHashMap<>();
            for (String each : List.of("step", "loss", "validation_loss", "gradient_norm", "learning_rate")) {
                if (all.containsKey(each) && all.get(each) != Json.NULL) {
                    step.put(each, all.get(each));
                }
            }
            lines.put(((Number) all.get("step")).longValue(), new String(Json.write(step), StandardCharsets.UTF_8));
            if (all.get("validation_loss") instanceof Number number && (!diverged || Double.isNaN(last))) {
                last = number.doubleValue();
            }
        }
        lines.forEach((step, line) -> {
            if (step % KEPT_STEPS == 0 || line.contains("validation_loss")) {
                kept.append(line).append('\n');
            }
        });
        Files.writeString(made.resolve("loss.jsonl"), kept);
        Path checkpoint = folder().resolve("checkpoint-" + steps());
        Map<String, Object> summary = new LinkedHashMap<>();
        summary.put("name", name());
        summary.put("options", options());
        summary.put("diverged", diverged);
        summary.put("held_out_loss", last);
        summary.put("losses_sha256", sha256((String.join("\n", lines.values()) + "\n").getBytes(StandardCharsets.UTF_8)));
        if (!diverged) {
            summary.put("model_sha256", sha256(Files.readAllBytes(checkpoint.resolve("model.safetensors"))));
            summary.put("optimizer_sha256", sha256(Files.readAllBytes(checkpoint.resolve("training/optimizer.safetensors"))));
        }
        byte[] json = Json.write(summary);
        if (recorded()) {
            boolean same = Arrays.equals(json, Files.readAllBytes(record().resolve("run.json")))
                    && kept.toString().equals(Files.readString(record().resolve("loss.jsonl")));
            if (!same) {
                Files.write(made.resolve("run.json"), json);
                throw new IOException(name() + ": expected the record's bytes, got others; see " + made);
            }
            System.out.println(name() + " again: every byte of its record");
            return;
        }
        Files.createDirectories(record());
        for (String file : List.of("config.json", "loss.jsonl")) {
            Files.copy(made.resolve(file), record().resolve(file), StandardCopyOption.REPLACE_EXISTING);
        }
        Files.write(record().resolve("run.json"), json);
        System.out.printf(Locale.ROOT, "%s %.4f%n", name(), last);
    }

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
