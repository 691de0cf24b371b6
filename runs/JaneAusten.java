import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Makes documents to train on of Jane Austen's six novels: {@code java JaneAusten.java SOURCE OUT}. The source is a text
 * file with the novels one after the other, or the {@code Rdata.rdb} of the R package janeaustenr. A document is a chapter
 * without its heading, a paragraph a line, without the underscores of emphasis. The last six chapters are held out: those of
 * Persuasion.
 */
final class JaneAusten {
    private static final int HELD_OUT = 6;

    private static final Pattern HEADING = Pattern.compile("(?m)^ *(?:CHAPTER|Chapter) [IVXLC0-9]+\\.? *$");

    /** The text after the last chapter of a novel, up to the first heading of the next. */
    private static final Pattern END = Pattern.compile("(?m)(?:^(?:FINIS|Finis|THE END|\\*Vide a letter)|"
            + "(?:PRIDE AND PREJUDICE|SENSE AND SENSIBILITY|MANSFIELD PARK|NORTHANGER ABBEY|Persuasion)\\s+[Bb]y\\s)");

    private static final Pattern VOLUME = Pattern.compile("(?m)^ *VOLUME [IVX]+ *$");

    /** The order of the text file, by how the first line of each begins. */
    private static final List<String> ORDER =
            List.of("EMMA", "PRIDE AND PREJUDICE", "SENSE AND SENSIBILITY", "MANSFIELD PARK", "NORTHANGER ABBEY", "PERSUASION");

    private JaneAusten() {}

    public static void main(String[] args) throws IOException, DataFormatException {
        if (args.length != 2) {
            System.err.println("usage: java JaneAusten.java SOURCE OUT");
            System.exit(2);
        }
        Path source = Path.of(args[0]);
        Path out = Files.createDirectories(Path.of(args[1]));
        List<String> chapters = chapters(source.toString().endsWith(".rdb") ? novels(source) : Files.readString(source));
        if (chapters.size() < 10 * HELD_OUT) {
            System.err.println(source + ": expected Jane Austen's novels, got " + chapters.size() + " chapters");
            System.exit(1);
        }
        int training = chapters.size() - HELD_OUT;
        write(out.resolve("training.jsonl"), chapters.subList(0, training));
        write(out.resolve("held-out.jsonl"), chapters.subList(training, chapters.size()));
        System.out.println(training + " chapters to train on, " + HELD_OUT + " held out");
    }

    private static List<String> chapters(String text) {
        List<String> chapters = new ArrayList<>();
        Matcher heading = HEADING.matcher(text);
        int start = -1;
        while (heading.find()) {
            if (start >= 0) {
                chapters.add(clean(text.substring(start, heading.start())));
            }
            start = heading.end();
        }
        if (start >= 0) {
            chapters.add(clean(text.substring(start)));
        }
        return chapters;
    }

    private static String clean(String chapter) {
        Matcher end = END.matcher(chapter);
        String text = end.find() ? chapter.substring(0, end.start()) : chapter;
        return Pattern.compile("\n\\s*\n")
                .splitAsStream(VOLUME.matcher(text).replaceAll("").replace("_", ""))
                .map(paragraph -> paragraph.strip().replaceAll("\\s+", " "))
                .filter(paragraph -> !paragraph.isEmpty())
                .collect(Collectors.joining("\n"));
    }

    private static void write(Path file, List<String> chapters) throws IOException {
        String lines = chapters.stream()
                .map(chapter -> "{\"text\": \""
                        + chapter.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\"}\n")
                .collect(Collectors.joining());
        Files.writeString(file, lines);
    }

    /** The novels in R's lazy-load format: objects one after the other, each its length and a deflated character vector. */
    private static String novels(Path file) throws IOException, DataFormatException {
        byte[] all = Files.readAllBytes(file);
        Map<Integer, String> novels = new TreeMap<>();
        for (int at = 0; at < all.length; ) {
            byte[] object = new byte[ByteBuffer.wrap(all, at, 4).getInt()];
            Inflater inflater = new Inflater();
            inflater.setInput(all, at + 4, all.length - at - 4);
            for (int done = 0; done < object.length; ) {
                int count = inflater.inflate(object, done, object.length - done);
                if (count == 0) {
                    throw new IOException(file + ": expected deflated objects, got something else at byte " + at);
                }
                done += count;
            }
            at += 4 + Math.toIntExact(inflater.getBytesRead());
            inflater.end();
            String novel = lines(ByteBuffer.wrap(object));
            String first = novel.lines().findFirst().orElse("").strip();
            novels.put(ORDER.indexOf(first.toUpperCase()), novel);
        }
        return String.join("\n", novels.values());
    }

    /** A character vector as R serializes it: a header, its type and length, then each string with its own. */
    private static String lines(ByteBuffer object) {
        object.position(2 + 3 * Integer.BYTES); // "X\n", then the version of the format and of two R's
        object.position(object.getInt() + object.position()); // the name of the encoding
        int type = object.getInt() & 0xff;
        if (type != 16) {
            throw new IllegalArgumentException("object: expected a character vector, type 16, got type " + type);
        }
        int count = object.getInt();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            object.getInt(); // its type and encoding
            byte[] line = new byte[Math.max(0, object.getInt())];
            object.get(line);
            text.append(new String(line, StandardCharsets.UTF_8)).append('\n');
        }
        return text.toString();
    }
}
