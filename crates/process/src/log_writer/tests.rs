use std::sync::Mutex;

use super::*;

/// A disk with so much room.
#[derive(Clone)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (content, room) = &mut *self.0.lock().unwrap();
        let count = bytes.len().min(*room);
        if count == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        content.extend_from_slice(&bytes[..count]);
        *room -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_full_disk_took_is_counted_and_reported_once_there_is_room_and_a_torn_line_ends() {
    let disk = Disk(Arc::new(Mutex::new((Vec::new(), 10))));
    let mut out = Out { destination: disk.clone(), is_torn: false, lost_reported: log_lines_lost() };
    assert!(out.write(b"first\n"));
    for _ in 0..2 {
        assert!(!out.write(b"second\n"));
        LOST_LINES.fetch_add(1, Ordering::Relaxed);
    }
    out.report_lost();
    disk.0.lock().unwrap().1 = 10_000;
    out.report_lost();
    assert!(out.write(b"third\n"));
    let text = String::from_utf8(disk.0.lock().unwrap().0.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(matches!(lines[..], ["first", "seco", report, "third"] if report.contains("\"lines\":2")), "{text}");
}

#[test]
fn all_lines_of_a_log_that_can_be_written_are_there_also_when_they_are_more_than_may_wait() {
    let disk = Disk(Arc::new(Mutex::new((Vec::new(), usize::MAX))));
    let (writer, flush) = LogWriter::new(disk.clone()).unwrap();
    let line = [[b'x'; 9_999].as_slice(), b"\n"].concat();
    let count = 2 * WAITING_BYTES_MAX / line.len();
    for written in 0..count {
        writer.make_writer().write_all(&line).unwrap();
        // No more at a time than may wait.
        while disk.0.lock().unwrap().0.len() + WAITING_BYTES_MAX / 4 < written * line.len() {
            std::thread::yield_now();
        }
    }
    drop(flush);
    let content = disk.0.lock().unwrap().0.clone();
    assert_eq!(content.split(|byte| *byte == b'\n').filter(|text| text.len() == line.len() - 1).count(), count);
}

#[test]
fn a_reader_that_does_not_read_keeps_nobody_waiting() {
    struct Stuck;
    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (writer, flush) = LogWriter::new(Stuck).unwrap();
    let line = vec![b'x'; 1_000];
    for _ in 0..2 * WAITING_BYTES_MAX / line.len() {
        writer.make_writer().write_all(&line).unwrap();
    }
    drop(flush);
    assert!(writer.waiting_bytes.load(Ordering::Relaxed) <= WAITING_BYTES_MAX, "what waits has a limit");
}
