//! Progress for people, on standard error: a bar on a terminal, plain lines everywhere else.

use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How long there is nothing to read where there is no bar: after that a line says what goes on.
const QUIET: Duration = Duration::from_secs(15);

/// One piece of work with a known number of steps.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    /// Says what goes on, where there is no bar.
    ticker: Option<Ticker>,
}

impl Progress {
    /// Begins.
    pub fn new(total: usize) -> Self {
        let begun = Instant::now();
        if !stderr().is_terminal() {
            return Self { bar: None, begun, ticker: Some(Ticker::new(begun, QUIET, plain)) };
        }
        let bar = ProgressBar::new(total as u64);
        let style = ProgressStyle::with_template(
            "{spinner} [{elapsed}] {bar:24} {pos}/{len} eta {eta} {wide_msg}",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar: Some(bar), begun, ticker: None }
    }

    /// Begins without a bar, for work that has said what it is: only a line now and then.
    pub fn of(what: &str) -> Self {
        let begun = Instant::now();
        let ticker = Ticker::new(begun, QUIET, plain);
        ticker.does(what);
        Self { bar: None, begun, ticker: Some(ticker) }
    }

    /// What is being done now.
    pub fn doing(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => self.say(&format!("{what} ...")),
        }
        if let Some(ticker) = &self.ticker {
            ticker.does(what);
        }
    }

    /// A passing remark: shown beside the bar; without one the last of them is told now and then.
    pub fn remark(&self, line: &str) {
        if line.starts_with('{') {
            // For programs, such as cargo's messages.
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_message(line.trim().to_owned());
        }
        if let Some(ticker) = &self.ticker {
            ticker.remarks(line.trim());
        }
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => plain(self.begun.elapsed(), line),
        }
        if let Some(ticker) = &self.ticker {
            ticker.said();
        }
    }

    /// So many steps are done.
    pub fn at(&self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(steps);
        }
    }

    /// One step is done.
    pub fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn plain(time: Duration, line: &str) {
    say::err!("[{:6.1} s] {line}", time.as_secs_f64());
}

/// Says what goes on when nothing else was said for a while, from a thread of its own: a compiler or a
/// package manager may well be silent for minutes.
#[derive(Debug)]
struct Ticker {
    shared: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    doing: String,
    remark: String,
    said: Instant,
    over: bool,
}

impl Ticker {
    fn new(
        begun: Instant,
        quiet: Duration,
        tell: impl Fn(Duration, &str) + Send + 'static,
    ) -> Self {
        let state = State { doing: String::new(), remark: String::new(), said: begun, over: false };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let (state, changed) = &*theirs;
            let mut state = lock(state);
            while !state.over {
                let left = quiet.saturating_sub(state.said.elapsed());
                if left.is_zero() {
                    state.said = Instant::now();
                    let remark = if state.remark.is_empty() { "" } else { ": " };
                    let line = format!("still {}{remark}{}", state.doing, state.remark);
                    tell(begun.elapsed(), &line);
                } else {
                    let waited = changed.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        });
        Self { shared, thread: Some(thread) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.0)
    }

    fn does(&self, what: &str) {
        let mut state = self.state();
        what.clone_into(&mut state.doing);
        state.remark.clear();
    }

    fn remarks(&self, line: &str) {
        line.clone_into(&mut self.state().remark);
    }

    fn said(&self) {
        self.state().said = Instant::now();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state().over = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn work_that_says_nothing_is_told_of_and_work_that_does_is_not() {
        let (sender, lines) = mpsc::channel();
        let quiet = Duration::from_millis(200);
        let tell = move |_, line: &str| sender.send(line.to_owned()).unwrap();
        let ticker = Ticker::new(Instant::now(), quiet, tell);
        ticker.does("building");
        ticker.remarks("Compiling core");
        let patience = Duration::from_secs(60);
        assert_eq!(lines.recv_timeout(patience).unwrap(), "still building: Compiling core");
        assert_eq!(lines.recv_timeout(patience).unwrap(), "still building: Compiling core");
        ticker.does("booting");
        assert_eq!(lines.recv_timeout(patience).unwrap(), "still booting");
        drop(ticker);
        assert!(lines.try_iter().all(|line| line == "still booting"));
        assert!(lines.recv().is_err(), "its thread is gone");
    }
}
