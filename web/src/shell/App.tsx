// Who is here decides what is shown: the sign-in, or the pages in their frame.

import { Center, Loader, Modal } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Suspense, lazy, useEffect } from "react";
import { Route, Routes } from "react-router";

import { Failure } from "../api/client";
import { connection, useConnection } from "../api/connection";
import { listen } from "../api/events";
import { useMe } from "../api/queries";
import { Home } from "../home/Home";
import { Failed, Reading } from "../parts/State";
import { Frame } from "./Frame";
import { MeProvider } from "./me";
import { NotFound } from "./NotFound";
import { Prove } from "./Prove";
import { SignInForm, SignInPage } from "./SignIn";

const page = <K extends string>(load: () => Promise<Record<K, React.ComponentType>>, name: K) =>
  lazy(async () => ({ default: (await load())[name] }));

const RequestPage = page(() => import("../request/RequestPage"), "RequestPage");
const CheckoutPage = page(() => import("../checkout/CheckoutPage"), "CheckoutPage");
const CheckoutsPage = page(() => import("../checkouts/CheckoutsPage"), "CheckoutsPage");
const DesktopPage = page(() => import("../desktop/DesktopPage"), "DesktopPage");
const GrantPage = page(() => import("../checkouts/GrantPage"), "GrantPage");
const SessionsPage = page(() => import("../sessions/SessionsPage"), "SessionsPage");
const RecordingsPage = page(() => import("../recordings/RecordingsPage"), "RecordingsPage");
const FileLog = page(() => import("../sessions/FileLog"), "FileLog");
const SearchPage = page(() => import("../recordings/SearchPage"), "SearchPage");
const RecordingPage = page(() => import("../recordings/RecordingPage"), "RecordingPage");
const AuditPage = page(() => import("../audit/AuditPage"), "AuditPage");
const ReportsPage = page(() => import("../reports/ReportsPage"), "ReportsPage");
const AdminPage = page(() => import("../admin/AdminPage"), "AdminPage");
const OwnNotices = page(() => import("../telling/OwnNotices"), "OwnNotices");
const SetupPage = page(() => import("../setup/SetupPage"), "SetupPage");
const MePage = page(() => import("../me/MePage"), "MePage");

export function App() {
  const me = useMe();
  const { signedOut } = useConnection();
  const client = useQueryClient();
  const known = me.data;

  useEffect(() => (known ? listen(client, known.id) : undefined), [known?.id, client]);

  if (!known) {
    if (me.error instanceof Failure && me.error.status === 401) return <SignInPage />;
    return <Center mih="100vh">{me.error ? <Failed error={me.error} again={() => void me.refetch()} /> : <Loader />}</Center>;
  }
  const back = (user: string) => {
    connection.signedIn();
    // What stays on the page belongs to whoever was here before.
    if (user !== known.name) location.reload();
    else void client.invalidateQueries();
  };
  return (
    <MeProvider value={known}>
      <Modal
        opened={signedOut}
        onClose={() => undefined}
        withCloseButton={false}
        closeOnEscape={false}
        centered
        title="Your sign-in is over"
      >
        <SignInForm says="Sign in again to go on where you are; nothing you typed is lost." user={known.name} onDone={back} />
      </Modal>
      <Prove />
      <Routes>
        <Route
          path="/checkouts/:code/desktop"
          element={
            <Suspense fallback={<Reading />}>
              <DesktopPage />
            </Suspense>
          }
        />
        <Route path="*" element={<Pages />} />
      </Routes>
    </MeProvider>
  );
}

/** All that stands in the frame, with the way to everything else. */
function Pages() {
  return (
    <Frame>
      <Suspense fallback={<Reading />}>
        <Routes>
          <Route path="/" element={<Home />} />
          <Route path="/request/:target?" element={<RequestPage />} />
          <Route path="/checkouts" element={<CheckoutsPage />} />
          <Route path="/checkouts/:code" element={<CheckoutPage />} />
          <Route path="/grant" element={<GrantPage />} />
          <Route path="/sessions" element={<SessionsPage />} />
          <Route path="/recordings" element={<RecordingsPage />} />
          <Route path="/sessions/:id/files" element={<FileLog />} />
          <Route path="/search" element={<SearchPage />} />
          <Route path="/recordings/:id" element={<RecordingPage />} />
          <Route path="/audit" element={<AuditPage />} />
          <Route path="/reports" element={<ReportsPage />} />
          <Route path="/admin/:noun?" element={<AdminPage />} />
          <Route path="/setup" element={<SetupPage />} />
          <Route path="/notices" element={<OwnNotices />} />
          <Route path="/me" element={<MePage />} />
          <Route path="*" element={<NotFound />} />
        </Routes>
      </Suspense>
    </Frame>
  );
}
