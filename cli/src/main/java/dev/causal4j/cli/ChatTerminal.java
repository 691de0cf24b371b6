package dev.causal4j.cli;

import java.io.IOException;
import java.util.Optional;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/** Reads messages at a terminal, with line editing and the lines before; no file keeps them. Not thread-safe. */
final class ChatTerminal implements AutoCloseable {
    private final Terminal terminal;
    private final LineReader reader;
    private volatile Runnable onInterrupt = () -> {};
    private volatile int width; // asking the terminal takes a process

    ChatTerminal() throws IOException {
        // The provider that needs no native code.
        terminal = TerminalBuilder.builder().system(true).provider("exec").build();
        terminal.handle(Terminal.Signal.INT, _ -> onInterrupt.run());
        terminal.handle(Terminal.Signal.WINCH, _ -> width = terminal.getWidth());
        reader = LineReaderBuilder.builder()
                .terminal(terminal)
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true) // "!" is text
                .build();
    }

    /** The next line; empty at the end: after Ctrl-D, or Ctrl-C on an empty line that follows another Ctrl-C. */
    Optional<String> next() {
        boolean interrupted = false; // an answer that was stopped does not count
        while (true) {
            try {
                String line = reader.readLine("> ");
                width = terminal.getWidth(); // while a line is read, the reader handles the signal
                return Optional.of(line);
            } catch (UserInterruptException e) {
                if (interrupted && e.getPartialLine().isEmpty()) {
                    return Optional.empty();
                }
                interrupted = true;
                terminal.writer()
                        .println(Streaming.dimmed(Streaming.TERMINAL, "Ctrl-C again or Ctrl-D ends the program"));
            } catch (EndOfFileException e) {
                return Optional.empty();
            }
        }
    }

    /** Its columns, from the last line on. */
    int width() {
        return width > 0 ? width : Integer.MAX_VALUE; // some do not know
    }

    /** Sets the action of Ctrl-C while no line is read. */
    void onInterrupt(Runnable action) {
        onInterrupt = action;
    }

    @Override
    public void close() throws IOException {
        terminal.close();
    }
}
